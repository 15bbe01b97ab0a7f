// The clipped loss of the value head over a micro-batch of sampled tokens.
// Shape letters: see packed_lengths.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rlhf {

// Every tensor is [N], of one floating dtype, on one device.
struct ValueTokens {
  // Of the value head being trained. Carries the gradient.
  at::Tensor value_N;
  // The same before the update. No gradient.
  at::Tensor old_value_N;
  // Targets (advantage.h). No gradient.
  at::Tensor return_N;
};

// Sums over tokens; see PpoLoss.
struct ValueLoss {
  // Differentiable.
  at::Tensor loss_sum;
  // Tokens that the clip deprives of their gradient. No gradient.
  at::Tensor clip_count;
  int64_t num_tokens = 0;
};

// Returns the sum of 0.5 * max((V - R)^2, (clamp(V, V_old -+ epsilon) - R)^2)
// (Ziegler et al. 2019, arXiv:1909.08593, code openai/lm-human-preferences). No
// tokens give 0, not NaN.
//
// `clip_epsilon` > 0. Dies if the shapes differ.
ValueLoss ComputeValueLoss(const ValueTokens& tokens, double clip_epsilon);

}  // namespace rlhf
