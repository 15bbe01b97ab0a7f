#include <c10/core/GradMode.h>

#include <functional>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "trainer/parallel/gradient_hook.h"
#include "trainer/parallel/whole_model.h"

namespace rlhf {
namespace {

class ReplicatedModel final : public WholeModel {
 public:
  ReplicatedModel(Transformer model, NamedTensors head,
                  const TrainedModelOptions& options,
                  Communicator* communicator)
      : WholeModel(std::move(head)), weights_(std::move(model)) {
    if (options.dtype != at::kFloat) copy_ = weights_.Cast(options.dtype);
    Transformer& passes = copy_.has_value() ? *copy_ : weights_;
    passes.set_recompute_activations(options.recompute_activations);
    for (const NamedTensor& p : weights_.parameters()) {
      parameters_.push_back({options.prefix + p.name, p.tensor});
    }
    for (const NamedTensor& p : head_) {
      parameters_.push_back({options.prefix + p.name, p.tensor});
    }
    leaves_ = passes.parameters();
    leaves_.insert(leaves_.end(), head_.begin(), head_.end());
    for (const NamedTensor& p : parameters_) p.tensor.set_requires_grad(true);
    for (const NamedTensor& p : leaves_) p.tensor.set_requires_grad(true);
    if (communicator->world_size() == 1) return;
    // Backward comes to the last layer first, and perhaps not to the head.
    const size_t num_weights = weights_.parameters().size();
    NamedTensors arriving(
        parameters_.rend() - static_cast<ptrdiff_t>(num_weights),
        parameters_.rend());
    arriving.insert(arriving.end(),
                    parameters_.begin() + static_cast<ptrdiff_t>(num_weights),
                    parameters_.end());
    buckets_.emplace(arriving, options.name, communicator);
    for (size_t i = 0; i < leaves_.size(); ++i) {
      OnGradient(leaves_[i].tensor, [this, i] { HaveGradient(i); });
    }
  }

  // The weights may outlive their model.
  ~ReplicatedModel() override {
    if (!buckets_.has_value()) return;
    for (const NamedTensor& p : leaves_) OnGradient(p.tensor, nullptr);
  }

  const Transformer& working() const override {
    return copy_.has_value() ? *copy_ : weights_;
  }

  void EndStep() override {
    last_pass_ = false;
    WholeModel::EndStep();
  }

  void ExpectLastPass() override { last_pass_ = true; }

  void CollectGradients() override {
    for (size_t i = 0; i < leaves_.size(); ++i) Collect(i);
  }

  void Refresh() override {
    if (!copy_.has_value()) return;
    const c10::NoGradGuard no_grad;
    for (size_t i = 0; i < weights_.parameters().size(); ++i) {
      leaves_[i].tensor.copy_(parameters_[i].tensor);
    }
  }

 private:
  // Adds the gradient of a working copy to that of the weights, in float32.
  void Collect(size_t i) {
    if (leaves_[i].tensor.is_same(parameters_[i].tensor)) return;
    at::Tensor& from = leaves_[i].tensor.mutable_grad();
    if (!from.defined()) return;
    at::Tensor& to = parameters_[i].tensor.mutable_grad();
    to = to.defined() ? to.add_(from) : from.to(at::kFloat);
    from.reset();
  }

  void HaveGradient(size_t i) {
    if (!last_pass_) return;
    Collect(i);
    const size_t num_weights = weights_.parameters().size();
    buckets_->Ready(i < num_weights ? num_weights - 1 - i : i);
  }

  Transformer weights_;
  std::optional<Transformer> copy_;  // none for float32
  NamedTensors leaves_;              // of passes, in the order of parameters_
  bool last_pass_ = false;
};

}  // namespace

std::unique_ptr<TrainedModel> MakeReplicatedModel(
    Transformer model, NamedTensors head, const TrainedModelOptions& options,
    Communicator* communicator) {
  return std::make_unique<ReplicatedModel>(std::move(model), std::move(head),
                                           options, communicator);
}

std::shared_ptr<const Transformer> MakeReplicatedFrozen(
    std::shared_ptr<const Transformer> model, at::ScalarType dtype) {
  if (dtype == at::kFloat) return model;
  return std::make_shared<const Transformer>(model->Cast(dtype));
}

}  // namespace rlhf
