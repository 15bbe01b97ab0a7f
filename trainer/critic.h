// The value function of PPO: what reward is still to come in a state.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "absl/types/span.h"
#include "core/comm/named_tensor.h"
#include "trainer/response_forward.h"
#include "trainer/trained_model.h"

namespace rlhf {

// Not thread-safe.
class Critic {
 public:
  // A linear head on the hidden states of the policy, starting at zero: one
  // model and one pass fewer, and the policy's trunk learns for both.
  Critic(int64_t hidden_size, at::Device device);

  // A score model of its own, whose score head gives the values. `model` is
  // float32; its passes compute in `dtype`.
  Critic(Transformer model, at::ScalarType dtype);

  // Whether values are read off the policy's own hidden states.
  bool shares_policy() const { return !model_.has_value(); }

  // The value of each state in which a response token of `dialogues` was
  // chosen, [N], float32; in units of the anchored reward. `policy_hidden_ND`
  // are the policy's hidden states there, for a critic that shares them.
  at::Tensor Values(absl::Span<const PromptResponse> dialogues,
                    const at::Tensor& policy_hidden_ND) const;

  // What the optimizer changes and a checkpoint holds: "value_head.…", or
  // "critic.…". The tensors are the critic's own.
  const NamedTensors& parameters() const { return parameters_; }

  // As those of TrainedModel.
  void CollectGradients();
  void RefreshCopy();

 private:
  std::optional<TrainedModel> model_;
  NamedTensors parameters_;
};

}  // namespace rlhf
