#include "trainer/parallel/trained_model.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace rlhf {

absl::StatusOr<NamedTensors> TrainedModel::GatherWeights() const {
  std::vector<at::Tensor> parts;
  for (const NamedTensor& p : parameters()) parts.push_back(p.tensor);
  RLHF_ASSIGN_OR_RETURN(NamedTensors whole, Gather(parts));
  // The head comes last.
  if (!whole.empty()) whole.resize(whole.size() - head().size());
  return whole;
}

absl::StatusOr<at::Tensor> FindTensor(const NamedTensors& tensors,
                                      const std::string& name,
                                      at::IntArrayRef shape) {
  for (const NamedTensor& p : tensors) {
    if (p.name != name) continue;
    if (p.tensor.sizes() == shape) return p.tensor;
    break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("tensor \"", name, "\" is missing or of another shape"));
}

}  // namespace rlhf
