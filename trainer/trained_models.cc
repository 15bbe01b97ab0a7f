#include "trainer/trained_models.h"

#include <cmath>
#include <utility>

#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/nn/torch_call.h"
#include "trainer/optim/gradient_clip.h"
#include "trainer/parallel/gathered_optimizer.h"

namespace rlhf {
namespace {

std::vector<at::Tensor> TensorsOf(const NamedTensors& named) {
  std::vector<at::Tensor> tensors;
  for (const NamedTensor& p : named) tensors.push_back(p.tensor);
  return tensors;
}

void Append(const NamedTensors& more, NamedTensors& all) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

TrainedModels::TrainedModels(Transformer policy,
                             std::optional<Transformer> critic,
                             const Options& options, Communicator* communicator)
    : communicator_(communicator) {
  const auto add = [&](Transformer model, NamedTensors head,
                       const std::string& name, const std::string& prefix) {
    const auto make = options.sharded         ? MakeShardedModel
                      : options.lora.rank > 0 ? MakeAdaptedModel
                                              : MakeReplicatedModel;
    auto made = make(std::move(model), std::move(head),
                     {.name = name,
                      .prefix = prefix,
                      .dtype = options.dtype,
                      .device = options.device,
                      .recompute_activations = options.recompute_activations,
                      .lora = options.lora},
                     communicator);
    auto optimizer = std::make_unique<AdamW>(
        std::vector<ParameterGroup>{{.parameters = made->parameters()}},
        options.adamw);
    parts_.push_back({std::move(made), std::move(optimizer)});
  };
  if (critic.has_value()) {
    add(std::move(policy), {}, "policy", "");
    add(*std::move(critic), {}, "critic", "critic.");
    critic_view_ = std::make_unique<Critic>(&parts_[kCritic].model->working());
  } else {
    NamedTensors head =
        MakeValueHead(policy.config().hidden_size, policy.device());
    add(std::move(policy), std::move(head), "policy", "");
    critic_view_ = std::make_unique<Critic>(parts_[kPolicy].model->head());
  }
}

void TrainedModels::EndPass() const {
  for (const Part& part : parts_) part.model->working().EndPass();
}

absl::StatusOr<std::optional<double>> TrainedModels::Step(size_t part,
                                                          double max_norm) {
  RLHF_CHECK(part < parts_.size());
  auto& [model, optimizer] = parts_[part];
  RLHF_RETURN_IF_ERROR(model->ReduceGradients());
  const std::vector<at::Tensor> gradients = optimizer->Gradients();
  double squared_norm = SquaredNorm(gradients);
  if (model->sharded()) {
    RLHF_RETURN_IF_ERROR(communicator_->SumNumbers({&squared_norm}));
  }
  const bool finite = std::isfinite(squared_norm);
  if (finite) {
    Scale(gradients, ClipFactor(squared_norm, max_norm));
    optimizer->Step();
    model->Refresh();
  }
  model->EndStep();
  return finite ? std::optional(std::sqrt(squared_norm)) : std::nullopt;
}

void TrainedModels::SetLearningRate(size_t part, double rate) {
  if (part < parts_.size()) parts_[part].optimizer->SetLearningRate(0, rate);
}

NamedTensors TrainedModels::OwnParameters() const {
  NamedTensors parameters;
  for (const Part& part : parts_) Append(part.model->parameters(), parameters);
  return parameters;
}

NamedTensors TrainedModels::OwnOptimizer() const {
  NamedTensors state;
  for (const Part& part : parts_) Append(part.optimizer->ExportState(), state);
  return state;
}

absl::StatusOr<NamedTensors> TrainedModels::GatherParameters() const {
  NamedTensors all;
  for (const Part& part : parts_) {
    RLHF_ASSIGN_OR_RETURN(
        const NamedTensors whole,
        part.model->Gather(TensorsOf(part.model->parameters())));
    Append(whole, all);
  }
  return all;
}

absl::StatusOr<NamedTensors> TrainedModels::GatherOptimizer() const {
  NamedTensors all;
  for (const Part& part : parts_) {
    RLHF_ASSIGN_OR_RETURN(const NamedTensors whole,
                          rlhf::GatherOptimizer(*part.optimizer, *part.model));
    Append(whole, all);
  }
  return all;
}

absl::Status TrainedModels::Import(const NamedTensors& parameters,
                                   const NamedTensors& optimizer) {
  return TorchCall("import parameters", [&]() -> absl::Status {
    for (const Part& part : parts_) {
      const TrainedModel& model = *part.model;
      RLHF_RETURN_IF_ERROR(
          model.Scatter(parameters, TensorsOf(model.parameters())));
      RLHF_RETURN_IF_ERROR(ScatterOptimizer(optimizer, model, *part.optimizer));
      part.model->Refresh();
    }
    return absl::OkStatus();
  });
}

}  // namespace rlhf
