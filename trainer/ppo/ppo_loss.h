// The clipped PPO policy loss over a micro-batch of sampled tokens.
// Shape letters: see packed_lengths.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rlhf {

// Every tensor is [N], of one floating dtype, on one device.
struct PpoTokens {
  // Log-probability of each token under the policy being trained. Nats. Carries
  // the gradient.
  at::Tensor logprob_N;
  // The same under the policy as it was before the update. Nats. No gradient.
  at::Tensor old_logprob_N;
  // Advantages, usually whitened. No gradient.
  at::Tensor advantage_N;
  // What each token's surrogate weighs (behaviour_weight.h). No gradient.
  // Undefined: 1.
  at::Tensor weight_N = {};
};

// Sums over tokens, not means: the caller divides by the number of tokens of
// all micro-batches and ranks, so that the loss does not depend on how a batch
// was cut. The tensors are scalars left on the device, so that reading none
// costs no synchronisation.
struct PpoLoss {
  // Differentiable.
  at::Tensor loss_sum;
  // Tokens that the clip deprives of their gradient. (Tokens that are outside
  // the range but pull back into it are not clipped.) No gradient.
  at::Tensor clip_count;
  // KL(old || new), by k3. Nats. No gradient.
  at::Tensor approx_kl_sum;
  // ratio - 1 and its square; from 1, so that float32 keeps what is small. No
  // gradient.
  at::Tensor ratio_offset_sum;
  at::Tensor ratio_offset_square_sum;
  int64_t num_tokens = 0;
};

struct PpoLossOptions {
  // In (0, 1).
  double clip_epsilon = 0.2;
  // Above 1: where A < 0, the surrogate is at least this times A, so that one
  // token that became much likelier cannot rule the update (dual clip, Ye et
  // al. 2020, arXiv:1912.09729, eq. 5). 0: no such bound.
  double dual_clip = 0;
};

// Returns minus the clipped surrogate, sum of
//   min(ratio * A, clamp(ratio, 1 - epsilon, 1 + epsilon) * A)
// with ratio = exp(log pi - log pi_old) (Schulman et al. 2017,
// arXiv:1707.06347, eq. 7), each token times its weight. No tokens give 0, not
// NaN. Dies if the shapes differ.
PpoLoss ComputePpoLoss(const PpoTokens& tokens, const PpoLossOptions& options);

}  // namespace rlhf
