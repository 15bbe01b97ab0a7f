// What this machine does, measured in about a second.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"

namespace rlhf {

// Floating-point operations per second of a square matrix product in `dtype`,
// with this process's threads.
double MeasureGemm(at::ScalarType dtype);

// Bytes per second that a rank sends while it receives as many: two ranks of
// this process over the loopback interface. Errors: of the network.
absl::StatusOr<double> MeasureLink();

}  // namespace rlhf
