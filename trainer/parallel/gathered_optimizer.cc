#include "trainer/parallel/gathered_optimizer.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <array>
#include <string>
#include <vector>

#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr char kStep[] = ".step";
constexpr std::array<const char*, 2> kMoments = {".exp_avg", ".exp_avg_sq"};

std::string WithoutSuffix(const std::string& name, const std::string& suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size())
                                : std::string();
}

// What the optimizer holds of one kind, in the order of the model's parameters.
absl::StatusOr<std::vector<at::Tensor>> OfKind(const NamedTensors& state,
                                               const TrainedModel& model,
                                               const std::string& kind) {
  std::vector<at::Tensor> parts;
  for (const NamedTensor& p : model.parameters()) {
    RLHF_ASSIGN_OR_RETURN(
        parts.emplace_back(),
        FindTensor(state, p.name + kind,
                   kind == kStep ? at::IntArrayRef() : p.tensor.sizes()));
  }
  return parts;
}

}  // namespace

absl::StatusOr<NamedTensors> GatherOptimizer(const AdamW& optimizer,
                                             const TrainedModel& model) {
  const NamedTensors own = optimizer.ExportState();
  NamedTensors state, whole;
  for (const char* kind : kMoments) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<at::Tensor> parts,
                          OfKind(own, model, kind));
    RLHF_ASSIGN_OR_RETURN(whole, model.Gather(parts));
    for (const NamedTensor& p : whole) {
      state.push_back({p.name + kind, p.tensor});
    }
  }
  if (whole.empty()) return state;  // rank 0's affair
  RLHF_ASSIGN_OR_RETURN(const std::vector<at::Tensor> steps,
                        OfKind(own, model, kStep));
  for (size_t i = 0; i < steps.size(); ++i) {
    for (const std::string& name : model.NamesIn(i)) {
      state.push_back({name + kStep, steps[i]});
    }
  }
  return state;
}

absl::Status ScatterOptimizer(const NamedTensors& state,
                              const TrainedModel& model, AdamW& optimizer) {
  const NamedTensors own = optimizer.ExportState();
  const c10::NoGradGuard no_grad;
  for (const std::string kind : kMoments) {
    NamedTensors of_kind;
    for (const NamedTensor& p : state) {
      const std::string name = WithoutSuffix(p.name, kind);
      if (!name.empty()) of_kind.push_back({name, p.tensor});
    }
    RLHF_ASSIGN_OR_RETURN(const std::vector<at::Tensor> parts,
                          OfKind(own, model, kind));
    RLHF_RETURN_IF_ERROR(model.Scatter(of_kind, parts));
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<at::Tensor> steps,
                        OfKind(own, model, kStep));
  for (size_t i = 0; i < steps.size(); ++i) {
    // Weights of one block take their steps together.
    RLHF_ASSIGN_OR_RETURN(const at::Tensor step,
                          FindTensor(state, model.NamesIn(i)[0] + kStep, {}));
    steps[i].copy_(step);
  }
  return absl::OkStatus();
}

}  // namespace rlhf
