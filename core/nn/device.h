// Where a process computes: on the CPU or on a GPU.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/nn/transformer.h"

namespace rlhf {

// One of the processes that share the GPUs of a machine, each with one of its
// own.
struct LocalRank {
  int rank = 0;
  int count = 1;
};

// "cpu"; "cuda:N", the GPU of that number among those that CUDA_VISIBLE_DEVICES
// leaves; or "cuda", the one whose number is the local rank. `field` is where
// the name was given ("learner.device"), for errors.
//
// For a GPU it also sets how the process multiplies there: float32 as float32,
// never as TF32, sums of bfloat16 products in float32, and attention without
// cuDNN.
//
// Errors: InvalidArgument for any other name, or one number for several ranks;
// FailedPrecondition if this build has no CUDA, no GPU is visible or none has
// that number.
absl::StatusOr<at::Device> FindDevice(absl::string_view field,
                                      const std::string& name,
                                      const LocalRank& local = {});

// Moves the weights of a model that is not packed.
// Errors: ResourceExhausted if they do not fit.
absl::Status MoveTo(at::Device device, Transformer& model);

}  // namespace rlhf
