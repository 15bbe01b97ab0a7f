// Reward continuity across PM versions: scores of different PMs are not
// comparable (Bai et al. 2022, B.2), so each PM is put on one scale by its
// scores of a fixed set of rollouts, the anchor: the run's first batch.
#pragma once

#include <vector>

namespace rlhf {

struct RewardAnchor {
  // The anchored reward of a score is (score - mean) / scale.
  double mean = 0;
  double scale = 1;
};

// Mean and standard deviation (biased) of one PM's scores of the anchor. Scores
// that do not differ give scale 1. Dies on an empty set.
RewardAnchor ComputeAnchor(const std::vector<double>& scores);

}  // namespace rlhf
