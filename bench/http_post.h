// One HTTP POST to this machine, as a client of another's reward model makes
// it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace rlhf {

// Posts JSON to 127.0.0.1:`port`, over a connection of its own, and returns the
// body of the reply.
//
// Errors: Unavailable without a connection; DeadlineExceeded if `timeout`
// passes without a byte; Internal for any status but 200.
absl::StatusOr<std::string> PostJson(int port, const std::string& body,
                                     absl::Duration timeout);

}  // namespace rlhf
