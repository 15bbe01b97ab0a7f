// The model at the places that matter to PPO: the states from which each
// response token was chosen.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/nn/transformer.h"

namespace rlhf {

// A prompt with its response, by reference.
struct PromptResponse {
  const std::vector<int32_t>* prompt_ids;
  const std::vector<int32_t>* response_ids;
};

struct ResponseStates {
  // [N, D]: the hidden state before each response token, response after
  // response.
  at::Tensor hidden_ND;
  // [N]: the response tokens.
  at::Tensor target_N;
};

// Runs `model` over whole dialogues, packed, and keeps the states at which a
// response token is predicted. Differentiable unless grad mode is off.
ResponseStates ForwardResponses(const Transformer& model,
                                absl::Span<const PromptResponse> dialogues);

// Cuts `dialogues` into consecutive pieces of at most `max_tokens` tokens (a
// longer dialogue is a piece of its own); returns the size of each.
std::vector<size_t> MicroBatchSizes(absl::Span<const PromptResponse> dialogues,
                                    int64_t max_tokens);

}  // namespace rlhf
