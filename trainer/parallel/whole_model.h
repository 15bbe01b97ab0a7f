// What models under training that every rank holds whole have in common.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainer/parallel/gradient_buckets.h"
#include "trainer/parallel/trained_model.h"

namespace rlhf {

class WholeModel : public TrainedModel {
 public:
  const NamedTensors& head() const override { return head_; }
  const NamedTensors& parameters() const override { return parameters_; }
  bool sharded() const override { return false; }

  void BeginStep() override;
  void EndStep() override;
  absl::Status ReduceGradients() override {
    return buckets_.has_value() ? buckets_->Finish() : absl::OkStatus();
  }

  absl::StatusOr<NamedTensors> Gather(
      const std::vector<at::Tensor>& parts) const override;
  absl::Status Scatter(const NamedTensors& whole,
                       const std::vector<at::Tensor>& parts) const override;
  std::vector<std::string> NamesIn(size_t index) const override {
    return {parameters_[index].name};
  }

 protected:
  explicit WholeModel(NamedTensors head) : head_(std::move(head)) {}

  const NamedTensors head_;
  NamedTensors parameters_;
  std::optional<GradientBuckets> buckets_;  // none for one rank
};

}  // namespace rlhf
