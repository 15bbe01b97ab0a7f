// The value function of PPO: what reward is still to come in a state.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"
#include "core/comm/named_tensor.h"
#include "core/nn/transformer.h"
#include "trainer/response_forward.h"

namespace rlhf {

// A linear head on the hidden states of the policy, [weight, bias], starting at
// zero: one model and one pass fewer, and the policy's trunk learns for both.
NamedTensors MakeValueHead(int64_t hidden_size, at::Device device);

// How values are read off; the weights are somebody else's. Thread-compatible.
class Critic {
 public:
  // Off a value head; the tensors are shared.
  explicit Critic(NamedTensors value_head);

  // Off the scores of a score model, not owned.
  explicit Critic(const Transformer* model);

  // Whether values are read off the policy's own hidden states.
  bool shares_policy() const { return model_ == nullptr; }

  // The value of each state in which a response token of `dialogues` was
  // chosen, [N], float32; in units of the anchored reward. `policy_hidden_ND`
  // are the policy's hidden states there, for a critic that shares them.
  at::Tensor Values(absl::Span<const PromptResponse> dialogues,
                    const at::Tensor& policy_hidden_ND) const;

 private:
  const Transformer* model_ = nullptr;
  NamedTensors head_;
};

}  // namespace rlhf
