// Rank 0 decides, and tells the others, which wait for its word in a collective
// with a deadline. All of these are collective: rank 0 calls those of the first
// group, the others WaitForRankZero.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/communicator.h"

namespace rlhf {

// That it still works or waits. Errors: of the communicator.
absl::Status KeepOthersWaiting(Communicator& communicator);

// Does `work`, however long it takes, while the others are kept waiting for
// what comes next. Errors: those of `work`, and of the communicator.
absl::Status WhileOthersWait(Communicator& communicator,
                             const std::function<absl::Status()>& work);

// The word itself, which is not "w"; or why there is none, then that is
// returned.
absl::StatusOr<std::string> TellOthers(Communicator& communicator,
                                       absl::StatusOr<std::string> word);

// Of the other ranks: the word. Errors: Aborted if rank 0 failed; of the
// communicator.
absl::StatusOr<std::string> WaitForRankZero(Communicator& communicator);

// What `work`, which rank 0 does while the others wait, gave: on all ranks.
absl::StatusOr<std::string> RunOnRankZero(
    Communicator& communicator,
    const std::function<absl::StatusOr<std::string>()>& work);

}  // namespace rlhf
