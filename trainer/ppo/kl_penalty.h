// The reward of every token: a KL penalty on each, the score on the last.
// Shape letters: see packed_lengths.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"

namespace rlhf {

struct ScoredResponses {
  // [N], nats: under the policy that the update starts from ("old") and under
  // the reference. No gradient flows through them.
  at::Tensor logprob_N;
  at::Tensor ref_logprob_N;
  // [S], dtype of `logprob_N`: the score of each whole response, already
  // anchored.
  at::Tensor score_S;
  // [S], bool: true if the response ended with an end-of-sequence token.
  at::Tensor ended_S;
};

enum class KlEstimator { kK1, kK2, kK3 };

struct KlPenaltyOptions {
  // beta >= 0.
  double kl_coefficient = 0.001;
  // How each token's KL is estimated (kl_estimators.h). Only k1 makes the
  // expected penalty the gradient of the KL; the others are there to compare.
  KlEstimator estimator = KlEstimator::kK1;
  // Added to the score of a response that did not end by itself; <= 0.
  double missing_eos_penalty = 0;
};

// Returns [N]: at each token -beta times the KL estimate, which for k1 is
// log pi_old - log pi_ref; plus, at each response's last token, its score and,
// if it did not end, the missing-EOS penalty. The KL's sign is minus: a token
// that the policy likes more than the reference costs (Bai et al. 2022, eq.
// 4.1; the form per token is Stiennon et al. 2020's).
//
// Dies if shapes and `lengths` disagree or the penalty is positive.
at::Tensor ComputeTokenRewards(const ScoredResponses& responses,
                               absl::Span<const int64_t> lengths,
                               const KlPenaltyOptions& options);

}  // namespace rlhf
