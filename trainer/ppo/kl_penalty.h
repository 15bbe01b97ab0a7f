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

struct KlPenaltyOptions {
  // beta >= 0.
  double kl_coefficient = 0.001;
  // Added to the score of a response that did not end by itself; <= 0.
  double missing_eos_penalty = 0;
};

// Returns [N]: -beta * (log pi_old - log pi_ref) at each token, plus, at each
// response's last token, its score and, if it did not end, the missing-EOS
// penalty. The penalty's sign is minus: a token that the policy likes more than
// the reference costs (Bai et al. 2022, eq. 4.1; the form per token is
// Stiennon et al. 2020's).
//
// Dies if shapes and `lengths` disagree or the penalty is positive.
at::Tensor ComputeTokenRewards(const ScoredResponses& responses,
                               absl::Span<const int64_t> lengths,
                               const KlPenaltyOptions& options);

}  // namespace rlhf
