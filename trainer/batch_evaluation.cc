#include "trainer/batch_evaluation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/nn/token_logprob.h"

namespace rlhf {
namespace {

at::Tensor Join(const std::vector<at::Tensor>& parts) {
  return parts.empty() ? at::zeros({0}) : at::cat(parts).to(at::kCPU);
}

// Indices of dialogues that are evaluated together.
std::vector<std::vector<int64_t>> Pieces(
    absl::Span<const PromptResponse> dialogues,
    const EvaluationOptions& options) {
  std::vector<std::vector<int64_t>> pieces;
  if (!options.kept.empty()) pieces.push_back(options.kept);
  std::vector<int64_t> rest;
  std::vector<PromptResponse> rest_dialogues;
  for (size_t i = 0; i < dialogues.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    if (std::count(options.kept.begin(), options.kept.end(), index) > 0) {
      continue;
    }
    rest.push_back(index);
    rest_dialogues.push_back(dialogues[i]);
  }
  auto first = rest.begin();
  for (const size_t size :
       MicroBatchSizes(rest_dialogues, options.micro_batch_tokens)) {
    const auto end = first + static_cast<ptrdiff_t>(size);
    pieces.emplace_back(first, end);
    first = end;
  }
  return pieces;
}

// Cuts [N] of the dialogues `piece` into theirs.
void Spread(const at::Tensor& packed_N, absl::Span<const int64_t> piece,
            absl::Span<const PromptResponse> dialogues,
            std::vector<at::Tensor>& by_dialogue) {
  int64_t begin = 0;
  for (const int64_t i : piece) {
    const auto length = static_cast<int64_t>(dialogues[i].response_ids->size());
    by_dialogue[i] = packed_N.narrow(0, begin, length);
    begin += length;
  }
}

}  // namespace

BatchEvaluation EvaluateBatch(const Transformer& policy, const Critic& critic,
                              const Transformer& reference,
                              absl::Span<const PromptResponse> dialogues,
                              const EvaluationOptions& options) {
  const c10::NoGradGuard no_grad;
  BatchEvaluation result;
  std::vector<at::Tensor> logprobs(dialogues.size());
  std::vector<at::Tensor> ref_logprobs = logprobs, values = logprobs;
  for (const std::vector<int64_t>& piece : Pieces(dialogues, options)) {
    std::vector<PromptResponse> together;
    for (const int64_t i : piece) together.push_back(dialogues[i]);
    ResponseStates states;
    {
      const c10::AutoGradMode keep(piece == options.kept);
      states = ForwardResponses(policy, together);
    }
    const TokenLogprobs ours = ComputeTokenLogprobs(
        policy, states.hidden_ND, states.target_N, options.temperature,
        /*with_entropy=*/true);
    const TokenLogprobs theirs = ComputeTokenLogprobs(
        reference, ForwardResponses(reference, together).hidden_ND,
        states.target_N, options.temperature);
    Spread(ours.logprob_N, piece, dialogues, logprobs);
    Spread(theirs.logprob_N, piece, dialogues, ref_logprobs);
    Spread(critic.Values(together, states.hidden_ND), piece, dialogues, values);
    result.entropy_sum += ours.entropy_N.sum().item<double>();
    if (piece == options.kept) result.kept = std::move(states);
  }
  result.logprob_N = Join(logprobs);
  result.ref_logprob_N = Join(ref_logprobs);
  result.value_N = Join(values);
  return result;
}

}  // namespace rlhf
