// Where a process computes: on the CPU or on a GPU.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/nn/transformer.h"

namespace rlhf {

// "cpu"; "cuda:N", the GPU of that number among those that CUDA_VISIBLE_DEVICES
// leaves; or "cuda", the one whose number is `local_rank`, which goes round if
// there are fewer GPUs than ranks.
//
// Errors: InvalidArgument for any other name; FailedPrecondition if this build
// has no CUDA, no GPU is visible or none has that number.
absl::StatusOr<at::Device> FindDevice(const std::string& name,
                                      int local_rank = 0);

// Moves the weights of a model. Errors: ResourceExhausted if they do not fit.
absl::Status MoveTo(at::Device device, Transformer& model);

}  // namespace rlhf
