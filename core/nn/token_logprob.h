// Log-probabilities of given tokens without ever holding [tokens x vocabulary]:
// logits live in slices of some rows, and the backward pass makes them again.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/transformer.h"

namespace rlhf {

struct TokenLogprobs {
  // [N]: log-probability of each target, nats, float32. Carries the gradient
  // if the hidden states or the model's weights do.
  at::Tensor logprob_N;
  // [N]: entropy of the next-token distribution, nats. No gradient. Undefined
  // unless asked for.
  at::Tensor entropy_N;
};

// `hidden_ND` are the states *before* each target token: the state of position
// t predicts token t + 1. Logits are divided by `temperature` > 0 first, as the
// sampler does, so that both speak of one distribution. The softmax is float32
// whatever the weights' dtype. Dies if there are no tokens.
TokenLogprobs ComputeTokenLogprobs(const Transformer& model,
                                   const at::Tensor& hidden_ND,
                                   const at::Tensor& target_N,
                                   double temperature,
                                   bool with_entropy = false);

}  // namespace rlhf
