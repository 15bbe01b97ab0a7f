// How a preference model scores the parts of its data: comparisons of the
// initial policy's answers ("base"), of later ones, of each imported file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/base/json.h"
#include "trainer/preference/calibration.h"

namespace rlhf {

// The scores of one pair.
struct TranchePair {
  std::string tranche;
  double chosen_score = 0;
  double rejected_score = 0;
};

struct TrancheScores {
  std::string name;
  int64_t num_pairs = 0;
  int64_t num_correct = 0;
  // Of chosen and rejected responses alike, log-odds.
  double mean = 0;
  // The mean less the first tranche's, with its 95 % interval (normal; a pair
  // counts once). It reads as the log-odds that a response of this tranche is
  // preferred to one of the first; but the prompts are different ones, and what
  // a PM predicts of a later policy overestimates it (Bai et al. 2022, B.4,
  // Fig. 35).
  double gap = 0;
  Interval gap_interval = {0, 0};
  // Scores in each bin.
  std::vector<int64_t> counts;
};

struct ScoreTranches {
  // Edges of the bins, one more than there are; the same for all tranches.
  std::vector<double> edges;
  // "base" first if there is one, then by name.
  std::vector<TrancheScores> tranches;
};

inline constexpr int kScoreBins = 24;

// Pairs without a tranche are left out. Pure. Dies on a score that is not
// finite.
ScoreTranches MeasureTranches(absl::Span<const TranchePair> pairs);

// Every number; gaps as PM score, Elo and win rate (elo.h).
Json ToJson(const ScoreTranches& scores);

}  // namespace rlhf
