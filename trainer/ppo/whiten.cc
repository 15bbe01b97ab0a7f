#include "trainer/ppo/whiten.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace rlhf {

MomentSums SumMoments(const at::Tensor& values) {
  const at::Tensor exact = values.detach().to(at::kDouble);
  return {.count = static_cast<double>(exact.numel()),
          .sum = exact.sum().item<double>(),
          .sum_of_squares = exact.square().sum().item<double>()};
}

Moments FromSums(const MomentSums& sums) {
  if (sums.count == 0) return {};
  const double mean = sums.sum / sums.count;
  const double variance = sums.sum_of_squares / sums.count - mean * mean;
  // What the subtraction leaves of a constant batch is rounding, of either
  // sign.
  const bool constant = variance <= 1e-15 * mean * mean;
  return {.mean = mean, .variance = constant ? 0 : variance};
}

at::Tensor Whiten(const at::Tensor& values, const Moments& moments,
                  bool shift_mean) {
  const double scale = 1 / std::sqrt(moments.variance + 1e-8);
  // In float64: a mean rounded to float32 would be off by a digit that small
  // deviations show.
  at::Tensor whitened = (values.to(at::kDouble) - moments.mean) * scale;
  if (!shift_mean) whitened = whitened + moments.mean;
  return whitened.to(values.scalar_type());
}

}  // namespace rlhf
