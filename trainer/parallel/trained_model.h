// A model under training by all ranks: the weights that passes run on, and this
// rank's part of what the optimizer changes.
//
//   model->BeginStep();
//   for each micro-batch:
//     if it is the last: model->ExpectLastPass();
//     forward through working(), backward;
//     model->CollectGradients();
//   model->ReduceGradients();     // now those of all ranks
//   ... change parameters() by their gradients ...
//   model->Refresh();
//   model->EndStep();
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "core/comm/named_tensor.h"
#include "core/nn/transformer.h"

namespace rlhf {

// Not thread-safe. Throws c10::Error where it does not return a status.
class TrainedModel {
 public:
  virtual ~TrainedModel() = default;

  // What passes run on, in the dtype of passes. After passes without backward
  // call its EndPass.
  virtual const Transformer& working() const = 0;

  // What is trained beside the model; usable where working() is.
  virtual const NamedTensors& head() const = 0;

  // Float32 leaves, which the optimizer changes: all weights, or this rank's
  // share of them. Their gradients are those summed over micro-batches.
  virtual const NamedTensors& parameters() const = 0;

  // Whether parameters() is a share. Then every rank makes the same number of
  // passes, and norms are summed over ranks.
  virtual bool sharded() const = 0;

  // Gradients are zero, or none, from here on; after a step they are freed.
  virtual void BeginStep() = 0;
  virtual void EndStep() = 0;

  // Said before this rank's last backward pass of a step: gradients may go to
  // the other ranks while it runs.
  virtual void ExpectLastPass() = 0;

  // After each backward pass: adds its gradients to those of parameters().
  virtual void CollectGradients() = 0;

  // After the last: the gradients become the sums over all ranks. Collective.
  virtual absl::Status ReduceGradients() = 0;

  // After parameters() changed.
  virtual void Refresh() = 0;

  // From tensors that are laid out as parameters() to whole ones under the
  // names of the model; what to call them is the caller's affair. Collective;
  // empty on ranks other than 0 if sharded. The tensors may share memory with
  // `parts`.
  virtual absl::StatusOr<NamedTensors> Gather(
      const std::vector<at::Tensor>& parts) const = 0;

  // The float32 weights that working() stands for, whole, under the names of
  // the model, without the head. Collective; empty on ranks other than 0 if
  // sharded. They may share memory with the model.
  virtual absl::StatusOr<NamedTensors> GatherWeights() const;

  // The other way of Gather: copies into each of `parts` what it holds of
  // `whole`. Errors: InvalidArgument, naming a tensor that is missing or
  // misshapen.
  virtual absl::Status Scatter(const NamedTensors& whole,
                               const std::vector<at::Tensor>& parts) const = 0;

  // The names of the tensors of which parameters()[index] is made.
  virtual std::vector<std::string> NamesIn(size_t index) const = 0;
};

// Low-rank adapters (adapted_model.cc).
struct LoraOptions {
  int64_t rank = 0;  // 0: none, every weight is trained
  double alpha = 16;
  uint64_t seed = 1;
};

struct TrainedModelOptions {
  // For messages, and before every weight's name: "" or "critic.".
  std::string name = "policy";
  std::string prefix;
  // What passes compute in.
  at::ScalarType dtype = at::kFloat;
  // Where shares are kept if sharded; else the models stay where they are.
  at::Device device = at::kCPU;
  bool recompute_activations = false;
  LoraOptions lora;
};

// Every rank holds all of it. `head` is float32, and stays so. `communicator`
// is not owned and must outlive the model.
std::unique_ptr<TrainedModel> MakeReplicatedModel(
    Transformer model, NamedTensors head, const TrainedModelOptions& options,
    Communicator* communicator);

// The same with adapters in place of the layers' matrices, `model` unchanged,
// and options.lora.rank above 0. Parameters are named as PEFT names them.
std::unique_ptr<TrainedModel> MakeAdaptedModel(
    Transformer model, NamedTensors head, const TrainedModelOptions& options,
    Communicator* communicator);

// Each rank holds its share; a layer's weights are there while it is computed.
std::unique_ptr<TrainedModel> MakeShardedModel(
    Transformer model, NamedTensors head, const TrainedModelOptions& options,
    Communicator* communicator);

// Models that are only asked, as float32 in, `dtype` within; held by the ranks
// like the two above.
std::shared_ptr<const Transformer> MakeReplicatedFrozen(
    std::shared_ptr<const Transformer> model, at::ScalarType dtype);
std::shared_ptr<const Transformer> MakeShardedFrozen(
    const Transformer& model, const std::string& name, at::ScalarType dtype,
    at::Device device, Communicator* communicator);

// Finds the tensor `name` of this shape. Errors: InvalidArgument.
absl::StatusOr<at::Tensor> FindTensor(const NamedTensors& tensors,
                                      const std::string& name,
                                      at::IntArrayRef shape);

}  // namespace rlhf
