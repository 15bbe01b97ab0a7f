// All that PPO changes: the policy, the critic and their optimizers, held by
// the ranks whole or in shares.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "core/nn/transformer.h"
#include "trainer/critic.h"
#include "trainer/optim/adamw.h"
#include "trainer/parallel/trained_model.h"

namespace rlhf {

// Not thread-safe.
class TrainedModels {
 public:
  struct Options {
    AdamWOptions adamw;
    // What passes compute in.
    at::ScalarType dtype = at::kFloat;
    // As TrainedModelOptions::device.
    at::Device device = at::kCPU;
    bool recompute_activations = false;
    bool sharded = false;
    // Not with `sharded`.
    LoraOptions lora;
  };

  // Float32 models; without a `critic` the values come from a head on the
  // policy, starting at zero. `communicator` is not owned and must outlive
  // this.
  TrainedModels(Transformer policy, std::optional<Transformer> critic,
                const Options& options, Communicator* communicator);

  // What passes run on.
  const Transformer& policy() const { return parts_[kPolicy].model->working(); }
  const Critic& critic() const { return *critic_view_; }
  bool sharded() const { return parts_[kPolicy].model->sharded(); }

  // After passes without backward.
  void EndPass() const;

  // The models with weights of their own: each is clipped and learns for
  // itself. A value head belongs to the policy.
  static constexpr size_t kPolicy = 0;
  static constexpr size_t kCritic = 1;
  size_t num_parts() const { return parts_.size(); }

  // A step of one part: these, in this order, as in trained_model.h.
  void BeginStep(size_t part) { parts_[part].model->BeginStep(); }
  void ExpectLastPass(size_t part) { parts_[part].model->ExpectLastPass(); }
  void CollectGradients(size_t part) { parts_[part].model->CollectGradients(); }
  // Sums the gradients over the ranks, clips them to `max_norm`, steps and
  // frees them. Returns their norm before; nullopt, and nothing changed, if it
  // is not finite: on all ranks alike. Collective.
  absl::StatusOr<std::optional<double>> Step(size_t part, double max_norm);

  // For the next steps; without effect if there is no such part.
  void SetLearningRate(size_t part, double rate);

  // What this rank holds: everything, or its share.
  NamedTensors OwnParameters() const;
  NamedTensors OwnOptimizer() const;

  // Whole tensors under the names of the models, whatever the ranks hold; they
  // may share memory with these. Collective; empty on ranks other than 0 if
  // sharded.
  absl::StatusOr<NamedTensors> GatherPolicy() const {
    return parts_[kPolicy].model->GatherWeights();
  }
  absl::StatusOr<NamedTensors> GatherParameters() const;
  absl::StatusOr<NamedTensors> GatherOptimizer() const;

  // Takes over what the last two gave, on any number of ranks.
  // Errors: InvalidArgument, naming a tensor that does not fit.
  absl::Status Import(const NamedTensors& parameters,
                      const NamedTensors& optimizer);

 private:
  struct Part {
    std::unique_ptr<TrainedModel> model;
    std::unique_ptr<AdamW> optimizer;
  };

  Communicator* const communicator_;
  std::vector<Part> parts_;
  std::unique_ptr<Critic> critic_view_;
};

}  // namespace rlhf
