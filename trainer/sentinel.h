// Sees a policy over-optimise its preference model: the reward goes on rising
// while a PM that never rewarded, trained on other comparisons, likes it less
// (Bai et al. 2022, §4.2; Gao et al. 2022, arXiv:2210.10760).
#pragma once

#include <string>
#include <vector>

#include "rlhf/v1/config.pb.h"

namespace rlhf {

// One update's anchored means.
struct WatchedReward {
  double train = 0;
  double test = 0;
};

// Pure. `updates` are those under one PM, oldest first. In words what was seen,
// or "": the test PM's mean over the newest half window has fallen by more than
// `max_test_drop` from its best half window, and the reward's has not. Speaks
// from a whole window of updates on.
std::string FindOverOptimisation(const std::vector<WatchedReward>& updates,
                                 const v1::SentinelConfig& config);

}  // namespace rlhf
