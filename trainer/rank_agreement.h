// Whether the ranks still hold the same: they should, as each does the same
// steps, and a bit that flipped in one of them would otherwise spread in
// silence.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/comm/communicator.h"
#include "core/comm/named_tensor.h"

namespace rlhf {

// By rank, a hash of each of `names`.
// Errors: DataLoss that names the first that differs and the ranks that hold
// something else than most do (than rank 0, if no majority agrees).
absl::Status CheckAgreement(const std::vector<std::string>& names,
                            const std::vector<std::vector<uint64_t>>& hashes);

// Collective: hashes `tensors`, which must bear the same names on all ranks,
// and compares. Errors: as CheckAgreement, on all ranks; of the communicator.
absl::Status CompareRanks(Communicator& communicator,
                          const NamedTensors& tensors);

}  // namespace rlhf
