// Estimates of KL(policy || reference) from tokens that the policy sampled
// (Schulman, "Approximating KL divergence",
// http://joschu.net/blog/kl-approx.html).
//
// With log r = reference log-probability - policy log-probability. Shape
// letters: see packed_lengths.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rlhf {

// All three take log-probabilities of the sampled tokens, nats, of one shape
// and dtype, and return an estimate per token, nats. Die if the shapes differ.
//
// k1 = -log r: unbiased, may be negative. As the penalty within the reward it
// gives the right gradient; k2 and k3 there do not.
at::Tensor KlK1(const at::Tensor& logprob_N, const at::Tensor& ref_logprob_N);

// k2 = (log r)^2 / 2: biased, never negative, low variance.
at::Tensor KlK2(const at::Tensor& logprob_N, const at::Tensor& ref_logprob_N);

// k3 = r - 1 - log r: unbiased, never negative.
at::Tensor KlK3(const at::Tensor& logprob_N, const at::Tensor& ref_logprob_N);

// What ranks add up before they divide. Plain numbers, summed in float64.
struct KlSums {
  double k1_nats = 0;
  double k3_nats = 0;
  int64_t num_tokens = 0;
};

// Reads the device once. No tokens give zeros.
KlSums SumKl(const at::Tensor& logprob_N, const at::Tensor& ref_logprob_N);

// k3 of each response, nats: the sums of `lengths` tokens after each other,
// which add up to N. Reads the device once.
std::vector<double> KlK3OfResponses(const at::Tensor& logprob_N,
                                    const at::Tensor& ref_logprob_N,
                                    const std::vector<int64_t>& lengths);

struct KlSummary {
  // Summed over a response, averaged over responses: KL of whole responses, the
  // paper's unit.
  double k1_nats_per_sequence = 0;
  double k3_nats_per_sequence = 0;
  // Averaged over all tokens.
  double k1_nats_per_token = 0;
  double k3_nats_per_token = 0;
};

// `sums` is over `num_sequences` responses. Nothing summed gives zeros.
KlSummary SummarizeKl(const KlSums& sums, int64_t num_sequences);

}  // namespace rlhf
