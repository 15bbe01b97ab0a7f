#include "trainer/critic.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "core/base/check.h"

namespace rlhf {

NamedTensors MakeValueHead(int64_t hidden_size, at::Device device) {
  const auto like = at::TensorOptions(at::kFloat).device(device);
  return {{"value_head.weight", at::zeros({1, hidden_size}, like)},
          {"value_head.bias", at::zeros({1}, like)}};
}

Critic::Critic(NamedTensors value_head) : head_(std::move(value_head)) {
  RLHF_CHECK(head_.size() == 2);
}

Critic::Critic(const Transformer* model) : model_(model) {}

at::Tensor Critic::Values(absl::Span<const PromptResponse> dialogues,
                          const at::Tensor& policy_hidden_ND) const {
  if (shares_policy()) {
    return at::linear(policy_hidden_ND.to(at::kFloat), head_[0].tensor,
                      head_[1].tensor)
        .squeeze(-1);
  }
  return model_->Scores(ForwardResponses(*model_, dialogues).hidden_ND);
}

}  // namespace rlhf
