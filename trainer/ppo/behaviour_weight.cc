#include "trainer/ppo/behaviour_weight.h"

#include <ATen/TensorOperators.h>

#include "core/base/check.h"

namespace rlhf {

at::Tensor ComputeBehaviourWeights(const at::Tensor& prox_logprob_N,
                                   const at::Tensor& behaviour_logprob_N,
                                   double cap) {
  RLHF_CHECK(cap > 0) << cap;
  RLHF_CHECK(prox_logprob_N.sizes() == behaviour_logprob_N.sizes())
      << prox_logprob_N.sizes() << ", " << behaviour_logprob_N.sizes();
  return (prox_logprob_N - behaviour_logprob_N).exp().clamp_max(cap).detach();
}

BehaviourWeightSums SumBehaviourWeights(const at::Tensor& weight_N,
                                        double cap) {
  const at::Tensor weight = weight_N.to(at::kDouble);
  return {.num_tokens = static_cast<double>(weight.numel()),
          .sum = weight.sum().item<double>(),
          .sum_of_squares = (weight * weight).sum().item<double>(),
          .num_capped = (weight_N >= cap).sum().item<double>()};
}

BehaviourWeightSummary SummarizeBehaviourWeights(
    const BehaviourWeightSums& sums) {
  if (sums.num_tokens == 0 || sums.sum_of_squares == 0) return {};
  return {.mean = sums.sum / sums.num_tokens,
          .capped_share = sums.num_capped / sums.num_tokens,
          .effective_share =
              sums.sum * sums.sum / (sums.num_tokens * sums.sum_of_squares)};
}

}  // namespace rlhf
