// Generalized advantage estimation over packed responses.
// Shape letters: see packed_lengths.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"

namespace rlhf {

struct GaeOptions {
  // gamma, in [0, 1].
  double discount = 1.0;
  // lambda, in [0, 1].
  double lambda = 0.95;
};

// Both [N], in the dtype and on the device of the values. No gradient.
struct Advantages {
  // Not whitened.
  at::Tensor advantage_N;
  // Advantage plus value: what the value head is trained towards.
  at::Tensor return_N;
};

// With delta_t = r_t + gamma V_{t+1} - V_t, the advantage at t is the sum over
// l of (gamma lambda)^l delta_{t+l} within the response (Schulman et al. 2015,
// arXiv:1506.02438, eq. 16). A response is a whole episode: the value after its
// last token is 0, also where the token limit ended it.
//
// `reward_N` and `value_N` belong to the same tokens. Computed on the CPU in
// float64: N is small beside the model's work. Dies if shapes and `lengths`
// disagree.
Advantages ComputeAdvantages(const at::Tensor& reward_N,
                             const at::Tensor& value_N,
                             absl::Span<const int64_t> lengths,
                             const GaeOptions& options);

}  // namespace rlhf
