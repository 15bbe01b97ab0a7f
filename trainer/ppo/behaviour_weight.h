// Decoupled PPO: what a token sampled by an older policy weighs.
// Shape letters: see packed_lengths.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rlhf {

// Returns min(pi_prox / pi_behaviour, cap) for each token, [N], without
// gradient. pi_behaviour is the policy that sampled the token, pi_prox the one
// that the update starts from; both log-probabilities are [N], in nats. `cap`
// is above 0.
//
// Decoupled PPO maximises E_behaviour[w * min(rho A, clip(rho) A)] with
// rho = pi / pi_prox and w = pi_prox / pi_behaviour: the clip holds the policy
// to where the update began, whoever sampled, and w makes the samples of the
// one stand for samples of the other (Hilton et al. 2021, arXiv:2110.00641; Fu
// et al. 2025, arXiv:2505.24298, §5.2). The cap bounds the variance of w at the
// price of a bias (truncated importance sampling, Ionides 2008).
at::Tensor ComputeBehaviourWeights(const at::Tensor& prox_logprob_N,
                                   const at::Tensor& behaviour_logprob_N,
                                   double cap);

// Sums over tokens; those of several ranks add up.
struct BehaviourWeightSums {
  double num_tokens = 0;
  double sum = 0;
  double sum_of_squares = 0;
  double num_capped = 0;  // tokens at the cap
};

BehaviourWeightSums SumBehaviourWeights(const at::Tensor& weight_N, double cap);

// What the sums say; of no token: 1, 0, 1.
struct BehaviourWeightSummary {
  double mean = 1;
  double capped_share = 0;
  // (sum w)^2 / (N sum w^2): the share of the tokens that would tell as much
  // if all weighed the same (Kish 1965). 1 if they do.
  double effective_share = 1;
};

BehaviourWeightSummary SummarizeBehaviourWeights(
    const BehaviourWeightSums& sums);

}  // namespace rlhf
