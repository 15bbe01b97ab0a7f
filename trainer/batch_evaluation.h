// What an update must know of its batch before its first step: how likely the
// policy and the reference find each token, and what the critic expects.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "core/nn/transformer.h"
#include "trainer/critic.h"
#include "trainer/response_forward.h"

namespace rlhf {

// Packed over the dialogues, response after response; on the CPU, float32, no
// gradient. N is 0 if there are no dialogues.
struct BatchEvaluation {
  at::Tensor logprob_N;      // nats
  at::Tensor ref_logprob_N;  // nats
  at::Tensor value_N;
  double entropy_sum = 0;  // of the policy's next-token distributions, nats
  // Of the dialogues `EvaluationOptions::kept`, in that order, with gradient;
  // none if that is empty.
  std::optional<ResponseStates> kept;
};

struct EvaluationOptions {
  // Logits are divided by it.
  double temperature = 1;
  // Tokens in one forward pass; bounds memory, not results.
  int64_t micro_batch_tokens = 2048;
  // Indices of dialogues whose policy pass will be needed again, with the same
  // weights, for a backward pass: it is made once, as one micro-batch, and
  // kept.
  std::vector<int64_t> kept;
};

// Runs both models over each micro-batch in turn. Throws c10::Error.
BatchEvaluation EvaluateBatch(const Transformer& policy, const Critic& critic,
                              const Transformer& reference,
                              absl::Span<const PromptResponse> dialogues,
                              const EvaluationOptions& options);

}  // namespace rlhf
