// The store in which the learner's ranks find one another.
#pragma once

#include <c10/util/intrusive_ptr.h>

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "absl/status/statusor.h"
#include "core/comm/communicator.h"

namespace rlhf {

// Rank 0 makes it, unless the launcher's agent has, and listens where the
// others know this machine by `options.master_address`, on no other interface;
// the others connect. Blocks until all are there.
//
// Errors: AlreadyExists if the port is in use, those of LocalAddressKnownAs.
// Throws what c10d throws.
absl::StatusOr<c10::intrusive_ptr<c10d::Store>> MakeRankStore(
    const C10dOptions& options);

}  // namespace rlhf
