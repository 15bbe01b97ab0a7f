#include "trainer/parallel/whole_model.h"

#include <c10/core/GradMode.h>

#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace rlhf {

void WholeModel::BeginStep() {
  EndStep();
  if (buckets_.has_value()) buckets_->Zero();
}

void WholeModel::EndStep() {
  if (buckets_.has_value()) return buckets_->Free();
  for (const NamedTensor& p : parameters_) p.tensor.mutable_grad().reset();
}

absl::StatusOr<NamedTensors> WholeModel::Gather(
    const std::vector<at::Tensor>& parts) const {
  RLHF_CHECK(parts.size() == parameters_.size());
  NamedTensors whole;
  for (size_t i = 0; i < parts.size(); ++i) {
    whole.push_back({parameters_[i].name, parts[i]});
  }
  return whole;
}

absl::Status WholeModel::Scatter(const NamedTensors& whole,
                                 const std::vector<at::Tensor>& parts) const {
  RLHF_CHECK(parts.size() == parameters_.size());
  const c10::NoGradGuard no_grad;
  for (size_t i = 0; i < parts.size(); ++i) {
    RLHF_ASSIGN_OR_RETURN(
        const at::Tensor found,
        FindTensor(whole, parameters_[i].name, parts[i].sizes()));
    parts[i].copy_(found);
  }
  return absl::OkStatus();
}

}  // namespace rlhf
