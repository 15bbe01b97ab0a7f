// Two models on the same pairs: which one is right more often, and could it be
// chance?
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/preference/pm_measurement.h"

namespace rlhf {

// Pairs on which the two models disagree; the others say nothing about which is
// better.
struct Discordance {
  int64_t only_candidate_right = 0;
  int64_t only_incumbent_right = 0;
};

// Both scored the same pairs, in the same order, else it dies. A tie is wrong.
Discordance CountDiscordance(const std::vector<MeasuredPair>& candidate,
                             const std::vector<MeasuredPair>& incumbent);

// The pairs of one slice (MeasuredPair::slices).
struct SliceComparison {
  std::string name;
  std::string value;
  int64_t num_pairs = 0;
  Discordance discordance;
};

// Every slice of the pairs, by name, then value; as CountDiscordance.
std::vector<SliceComparison> CompareSlices(
    const std::vector<MeasuredPair>& candidate,
    const std::vector<MeasuredPair>& incumbent);

// The probability that two equally good models disagree so far, or further, in
// the incumbent's favour: the exact one-sided sign test on the discordant pairs
// (McNemar 1947), in [0, 1]. 1 without any.
double ProbabilityOfChance(const Discordance& discordance);

// The drop in accuracy that this test sees in 4 of 5 cases when it is there, at
// the one-sided level `level` in (0, 0.5], on `num_pairs` > 0 pairs of which
// the share `discordant_share` in [0, 1] is discordant: the normal quantiles of
// the level and of 80 %, together, times the standard deviation of the
// difference of the two accuracies.
double VisibleDrop(int64_t num_pairs, double discordant_share, double level);

}  // namespace rlhf
