#include "trainer/batch_evaluation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <vector>

#include "core/nn/token_logprob.h"

namespace rlhf {
namespace {

at::Tensor Join(const std::vector<at::Tensor>& parts) {
  return parts.empty() ? at::zeros({0}) : at::cat(parts).to(at::kCPU);
}

}  // namespace

BatchEvaluation EvaluateBatch(const Transformer& policy, const Critic& critic,
                              const Transformer& reference,
                              absl::Span<const PromptResponse> dialogues,
                              const EvaluationOptions& options) {
  const c10::NoGradGuard no_grad;
  BatchEvaluation result;
  std::vector<at::Tensor> logprobs, ref_logprobs, values;
  size_t first = 0;
  for (const size_t size :
       MicroBatchSizes(dialogues, options.micro_batch_tokens)) {
    const auto piece = dialogues.subspan(first, size);
    const ResponseStates states = ForwardResponses(policy, piece);
    const TokenLogprobs ours = ComputeTokenLogprobs(
        policy, states.hidden_ND, states.target_N, options.temperature);
    const TokenLogprobs theirs = ComputeTokenLogprobs(
        reference, ForwardResponses(reference, piece).hidden_ND,
        states.target_N, options.temperature);
    logprobs.push_back(ours.logprob_N);
    ref_logprobs.push_back(theirs.logprob_N);
    values.push_back(critic.Values(piece, states.hidden_ND));
    result.entropy_sum += ours.entropy_N.sum().item<double>();
    first += size;
  }
  result.logprob_N = Join(logprobs);
  result.ref_logprob_N = Join(ref_logprobs);
  result.value_N = Join(values);
  return result;
}

}  // namespace rlhf
