// One number for all weights: whether two runs, or two ranks, hold the same.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "core/comm/named_tensor.h"

namespace rlhf {

// xxh3 over the bytes of every tensor, chained in order with the names: 16
// hexadecimal digits. Equal for equal bits, whatever made them. Reads each byte
// once.
std::string ParameterHash(const NamedTensors& parameters);

// The same where each rank holds a share: over the hashes of all shares, in the
// order of ranks. Equal for equal bits on equally many ranks, and on each of
// them. Collective. Errors: of the communicator.
absl::StatusOr<std::string> ParameterHashOfShares(const NamedTensors& share,
                                                  Communicator& communicator);

}  // namespace rlhf
