#include "trainer/ppo/kl_penalty.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include "core/base/check.h"
#include "trainer/ppo/kl_estimators.h"
#include "trainer/ppo/packed_lengths.h"

namespace rlhf {
namespace {

void CheckPerSequence(const at::Tensor& values_S, size_t num_sequences) {
  RLHF_CHECK(values_S.dim() == 1 &&
             values_S.size(0) == static_cast<int64_t>(num_sequences))
      << "a tensor of shape " << values_S.sizes() << " for " << num_sequences
      << " responses";
}

at::Tensor EstimateKl(KlEstimator estimator, const at::Tensor& logprob_N,
                      const at::Tensor& ref_logprob_N) {
  switch (estimator) {
    case KlEstimator::kK1:
      return KlK1(logprob_N, ref_logprob_N);
    case KlEstimator::kK2:
      return KlK2(logprob_N, ref_logprob_N);
    case KlEstimator::kK3:
      break;
  }
  return KlK3(logprob_N, ref_logprob_N);
}

}  // namespace

at::Tensor ComputeTokenRewards(const ScoredResponses& responses,
                               absl::Span<const int64_t> lengths,
                               const KlPenaltyOptions& options) {
  CheckPacked(responses.logprob_N, lengths);
  CheckPerSequence(responses.score_S, lengths.size());
  CheckPerSequence(responses.ended_S, lengths.size());
  RLHF_CHECK(options.kl_coefficient >= 0) << options.kl_coefficient;
  RLHF_CHECK(options.missing_eos_penalty <= 0) << options.missing_eos_penalty;

  const at::Tensor reward_N =
      EstimateKl(options.estimator, responses.logprob_N.detach(),
                 responses.ref_logprob_N.detach()) *
      -options.kl_coefficient;
  const at::Tensor missing_S =
      responses.ended_S.logical_not().to(responses.score_S.scalar_type());
  const at::Tensor final_reward_S =
      responses.score_S.detach() + missing_S * options.missing_eos_penalty;
  const at::Tensor last_S =
      at::tensor(LastPositions(lengths), at::kLong).to(reward_N.device());
  return reward_N.index_add(0, last_S, final_reward_S);
}

}  // namespace rlhf
