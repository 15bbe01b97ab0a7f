#include "trainer/critic.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include "absl/strings/str_cat.h"

namespace rlhf {

Critic::Critic(int64_t hidden_size, at::Device device) {
  const auto like = at::TensorOptions(at::kFloat).device(device);
  parameters_ = {{"value_head.weight", at::zeros({1, hidden_size}, like)},
                 {"value_head.bias", at::zeros({1}, like)}};
  for (const NamedTensor& p : parameters_) p.tensor.set_requires_grad(true);
}

Critic::Critic(Transformer model, at::ScalarType dtype)
    : model_(std::in_place, std::move(model), dtype) {
  for (const NamedTensor& p : model_->weights().parameters()) {
    parameters_.push_back({absl::StrCat("critic.", p.name), p.tensor});
  }
}

at::Tensor Critic::Values(absl::Span<const PromptResponse> dialogues,
                          const at::Tensor& policy_hidden_ND) const {
  if (shares_policy()) {
    return at::linear(policy_hidden_ND.to(at::kFloat), parameters_[0].tensor,
                      parameters_[1].tensor)
        .squeeze(-1);
  }
  const Transformer& model = model_->working();
  return model.Scores(ForwardResponses(model, dialogues).hidden_ND);
}

void Critic::CollectGradients() {
  if (model_.has_value()) model_->CollectGradients();
}

void Critic::RefreshCopy() {
  if (model_.has_value()) model_->RefreshCopy();
}

}  // namespace rlhf
