// Which ranks of a group are there, before they join: a group that does not
// come together cannot say by itself who is missing.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/comm/communicator.h"

namespace rlhf {

// Every rank says `note` and hears those of all, in their order. Collective;
// blocks until all are there. The address and port of `options` are free again
// afterwards.
//
// Errors: Unavailable after the timeout of `options`, with the ranks that did
// not come; AlreadyExists if the port is in use on rank 0.
absl::StatusOr<std::vector<std::string>> CallTheRoll(const C10dOptions& options,
                                                     const std::string& note);

}  // namespace rlhf
