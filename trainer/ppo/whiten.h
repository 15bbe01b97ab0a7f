// Whitening over the whole batch of all ranks, in two steps: sums that ranks
// add up, then the change of each rank's own values.
#pragma once

#include <ATen/core/Tensor.h>

namespace rlhf {

// Plain numbers in float64; field by field, the sums of two sets of values add
// up to those of their union, so ranks all-reduce them.
struct MomentSums {
  double count = 0;
  double sum = 0;
  double sum_of_squares = 0;
};

// Sums over every element of `values`. Reads the device once.
MomentSums SumMoments(const at::Tensor& values);

struct Moments {
  double mean = 0;
  // Biased: divided by the count. Never negative; exactly 0 if the standard
  // deviation is below 3e-8 of the mean, which float32 can hardly resolve.
  double variance = 0;
};

// Nothing counted gives zeros.
Moments FromSums(const MomentSums& sums);

// Returns (values - mean) / sqrt(variance + 1e-8), of the shape and dtype of
// `values`; the mean is added back unless `shift_mean`. Advantages are whitened
// with the mean shifted, rewards without (Huang et al. 2024, "The N+
// implementation details of RLHF with PPO", arXiv:2403.17031).
at::Tensor Whiten(const at::Tensor& values, const Moments& moments,
                  bool shift_mean);

}  // namespace rlhf
