// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), step for step that of
// torch.optim.AdamW.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "core/comm/named_tensor.h"

namespace rlhf {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  // Added to sqrt(v / (1 - beta2^t)), as PyTorch does. TensorFlow's Adam (and
  // so the original RLHF code) adds it before that correction, which damps the
  // first steps: at t = 1 its epsilon acts like one 1 / sqrt(1 - beta2) times
  // as large here. With PyTorch's placement Huang et al. 2024
  // (arXiv:2403.17031) saw several times larger early updates; the common
  // remedy is this larger epsilon instead of 1e-8.
  double epsilon = 1e-5;
  // Decoupled: each step first multiplies a parameter by 1 - rate * decay.
  double weight_decay = 0;
};

// Parameters that share a learning rate. Names are unique over all groups.
struct ParameterGroup {
  NamedTensors parameters;
  double learning_rate = 0;
};

// Not thread-safe.
class AdamW {
 public:
  // Holds handles to the parameters, whose storage stays the model's and is
  // updated in place. Allocates two moments per parameter, of its dtype and
  // device. Dies if two parameters share a name.
  AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options);

  // Changes every parameter that has a gradient; the others, and their state,
  // stay as they are. One fused kernel per group. Gradients are kept.
  void Step();

  // Drops the gradients; the next backward pass makes new ones.
  void ClearGradients();

  // The gradients there are, in the order of the parameters: what clipping and
  // averaging over ranks work on, in place.
  std::vector<at::Tensor> Gradients() const;
  // Those of one group. Dies if there is no such group.
  std::vector<at::Tensor> Gradients(size_t group) const;
  size_t num_groups() const { return groups_.size(); }

  // For the next Step. Dies if there is no such group.
  void SetLearningRate(size_t group, double learning_rate);

  // Three tensors per parameter: NAME.step (a float32 scalar), NAME.exp_avg and
  // NAME.exp_avg_sq. They share storage with the optimizer: write them out, or
  // clone them, before the next Step.
  NamedTensors ExportState() const;

  // Takes over copies of what ExportState gave, in any order. Nothing changes
  // unless all fits.
  //
  // Errors: InvalidArgument, naming the tensor, if one is missing, unknown or
  // of another shape than its parameter.
  absl::Status ImportState(const NamedTensors& state);

 private:
  struct Group {
    NamedTensors parameters;
    double learning_rate;
    // One each per parameter.
    std::vector<at::Tensor> steps;
    std::vector<at::Tensor> averages;
    std::vector<at::Tensor> square_averages;
  };

  void StepGroup(Group& group);

  const AdamWOptions options_;
  std::vector<Group> groups_;
};

}  // namespace rlhf
