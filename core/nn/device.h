// Where a process computes: on the CPU or on one GPU.
#pragma once

#include <c10/core/Device.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// Returns the device that `name` means:
//   "cpu"   the CPU
//   "cuda"  the visible GPU number `local_rank`; CUDA_VISIBLE_DEVICES says
//   which
//           are visible
//   "auto"  as "cuda" if a GPU is visible and this build has CUDA, else the CPU
//
// Errors: InvalidArgument for another name; Unavailable if there is no such
// GPU.
absl::StatusOr<at::Device> ChooseDevice(absl::string_view name, int local_rank);

}  // namespace rlhf
