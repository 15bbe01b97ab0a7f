// What this machine does, measured in about a second.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/comm/communicator.h"

namespace rlhf {

// Floating-point operations per second of a square matrix product in `dtype`,
// with this process's threads.
double MeasureGemm(at::ScalarType dtype);

// Bytes per second that each of two ranks sends while it receives as many, from
// some transfers of `bytes` each way after one that is not counted. Collective.
// Errors: of the communicator.
absl::StatusOr<double> MeasureSending(Communicator& both, int64_t bytes);

// The same for two ranks of this process over the loopback interface. Errors:
// of the network.
absl::StatusOr<double> MeasureLink();

}  // namespace rlhf
