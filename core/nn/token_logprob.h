// Log-probabilities of given tokens, without keeping more than a slice of the
// [tokens x vocabulary] logits alive outside the autograd graph.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/transformer.h"

namespace rlhf {

struct TokenLogprobs {
  // [N]: log-probability of each target, nats, float32. Carries the gradient
  // if the hidden states or the model's weights do.
  at::Tensor logprob_N;
  // [N]: entropy of the next-token distribution, nats. No gradient.
  at::Tensor entropy_N;
};

// `hidden_ND` are the states *before* each target token: the state of position
// t predicts token t + 1. Logits are divided by `temperature` > 0 first, as the
// sampler does, so that both speak of one distribution.
TokenLogprobs ComputeTokenLogprobs(const Transformer& model,
                                   const at::Tensor& hidden_ND,
                                   const at::Tensor& target_N,
                                   double temperature);

}  // namespace rlhf
