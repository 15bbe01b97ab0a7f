#include <c10/core/GradMode.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "trainer/parallel/sharded_weights.h"
#include "trainer/parallel/trained_model.h"

namespace rlhf {
namespace {

class ShardedModel final : public TrainedModel {
 public:
  ShardedModel(const Transformer& model, const NamedTensors& head,
               const TrainedModelOptions& options, Communicator* communicator)
      : prefix_(options.prefix),
        communicator_(communicator),
        weights_(model, head,
                 {.name = options.name,
                  .dtype = options.dtype,
                  .device = options.device},
                 communicator) {
    for (const FlatBlock& block : weights_.blocks()) {
      parameters_.push_back({block.name(), block.share()});
    }
    for (const NamedTensor& p : model.parameters()) {
      order_.push_back(prefix_ + p.name);
    }
    for (const NamedTensor& p : head) order_.push_back(prefix_ + p.name);
  }

  const Transformer& working() const override { return weights_.model(); }
  const NamedTensors& head() const override { return weights_.head(); }
  const NamedTensors& parameters() const override { return parameters_; }
  bool sharded() const override { return true; }

  void BeginStep() override { EndStep(); }
  void EndStep() override {
    for (const NamedTensor& p : parameters_) p.tensor.mutable_grad().reset();
  }
  // Gradients go out layer by layer in every pass.
  void ExpectLastPass() override {}
  void CollectGradients() override { weights_.FinishGradients(); }
  absl::Status ReduceGradients() override { return absl::OkStatus(); }
  // Each gather reads the shares as they are then.
  void Refresh() override {}

  absl::StatusOr<NamedTensors> Gather(
      const std::vector<at::Tensor>& parts) const override {
    RLHF_CHECK(parts.size() == weights_.blocks().size());
    const c10::NoGradGuard no_grad;
    std::map<std::string, at::Tensor> found;
    for (size_t b = 0; b < parts.size(); ++b) {
      const FlatBlock& block = weights_.blocks()[b];
      const at::Tensor flat =
          block.Flatten(std::vector<at::Tensor>(block.weights().size()));
      block.OwnPart(flat).copy_(parts[b]);
      RLHF_RETURN_IF_ERROR(
          communicator_->StartAllGather(flat, "the state of " + block.name())
              ->Wait());
      if (communicator_->rank() != 0) continue;
      // The whole model may be more than a GPU holds.
      for (const NamedTensor& p : block.Split(flat.to(at::kCPU))) {
        found[prefix_ + p.name] = p.tensor;
      }
    }
    NamedTensors whole;
    if (communicator_->rank() != 0) return whole;
    for (const std::string& name : order_) whole.push_back({name, found[name]});
    return whole;
  }

  absl::Status Scatter(const NamedTensors& whole,
                       const std::vector<at::Tensor>& parts) const override {
    RLHF_CHECK(parts.size() == weights_.blocks().size());
    const c10::NoGradGuard no_grad;
    for (size_t b = 0; b < parts.size(); ++b) {
      const FlatBlock& block = weights_.blocks()[b];
      std::vector<at::Tensor> tensors;
      for (const NamedTensor& p : block.weights()) {
        RLHF_ASSIGN_OR_RETURN(
            tensors.emplace_back(),
            FindTensor(whole, prefix_ + p.name, p.tensor.sizes()));
      }
      parts[b].copy_(block.OwnPart(block.Flatten(tensors)));
    }
    return absl::OkStatus();
  }

  std::vector<std::string> NamesIn(size_t index) const override {
    std::vector<std::string> names;
    for (const NamedTensor& p : weights_.blocks()[index].weights()) {
      names.push_back(prefix_ + p.name);
    }
    return names;
  }

 private:
  const std::string prefix_;
  Communicator* const communicator_;
  ShardedWeights weights_;
  NamedTensors parameters_;
  std::vector<std::string> order_;  // of names, as the model has them
};

}  // namespace

std::unique_ptr<TrainedModel> MakeShardedModel(
    Transformer model, NamedTensors head, const TrainedModelOptions& options,
    Communicator* communicator) {
  return std::make_unique<ShardedModel>(model, head, options, communicator);
}

std::shared_ptr<const Transformer> MakeShardedFrozen(
    const Transformer& model, const std::string& name, at::ScalarType dtype,
    at::Device device, Communicator* communicator) {
  const auto weights = std::make_shared<ShardedWeights>(
      model, NamedTensors(),
      ShardedWeights::Options{
          .name = name, .dtype = dtype, .device = device, .trained = false},
      communicator);
  return {weights, &weights->model()};
}

}  // namespace rlhf
