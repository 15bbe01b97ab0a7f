#include "trainer/trained_model.h"

#include <c10/core/GradMode.h>

namespace rlhf {
namespace {

void RequireGradients(const Transformer& model) {
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
  }
}

}  // namespace

TrainedModel::TrainedModel(Transformer model, at::ScalarType dtype)
    : weights_(std::move(model)) {
  RequireGradients(weights_);
  if (dtype == at::kFloat) return;
  copy_ = weights_.Cast(dtype);
  RequireGradients(*copy_);
}

void TrainedModel::CollectGradients() {
  if (!copy_.has_value()) return;
  for (size_t i = 0; i < weights_.parameters().size(); ++i) {
    at::Tensor& from = copy_->parameters()[i].tensor.mutable_grad();
    if (!from.defined()) continue;
    at::Tensor& to = weights_.parameters()[i].tensor.mutable_grad();
    to = to.defined() ? to.add_(from) : from.to(at::kFloat);
    from.reset();
  }
}

void TrainedModel::RefreshCopy() {
  if (!copy_.has_value()) return;
  const c10::NoGradGuard no_grad;
  for (size_t i = 0; i < weights_.parameters().size(); ++i) {
    copy_->parameters()[i].tensor.copy_(weights_.parameters()[i].tensor);
  }
}

}  // namespace rlhf
