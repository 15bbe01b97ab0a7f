// The learning rate as a function of the rollouts seen, so that it does not
// depend on the number of ranks, minibatches or passes.
#pragma once

#include <cstdint>

namespace rlhf {

struct Schedule {
  // The rate after warm-up and before the first halving.
  double learning_rate = 0;
  // The rate rises linearly from 0 over the first so many rollouts. 0: none.
  int64_t warmup_rollouts = 0;
  // The rate halves each time so many rollouts were seen. 0: never.
  int64_t halve_every_rollouts = 0;
};

// Returns the rate for an update after which `rollouts_seen` >= 0 rollouts have
// been seen, its own batch included: so the first update of a warm-up is not
// lost on a rate of 0. Pure. (Bai et al. 2022, appendix B.1: warm-up over
// 25,000 samples, halving every 100,000.)
double LearningRate(const Schedule& schedule, int64_t rollouts_seen);

}  // namespace rlhf
