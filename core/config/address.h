// Addresses that a role may serve gRPC at or call.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rlhf {

// Whether `host` is 127.x.x.x, [::1] or localhost.
bool IsLoopbackHost(const std::string& host);

// InvalidArgument unless `address` is "HOST:PORT" with a loopback host: this
// version has no TLS, so nothing may leave the machine. Port 0 means "any free
// one" to a server.
absl::Status CheckLoopback(const std::string& address);

// The addresses of "HOST:PORT,HOST:PORT", in order; blanks around them are
// left out. Errors: InvalidArgument unless each passes CheckLoopback and none
// stands there twice.
absl::StatusOr<std::vector<std::string>> SplitAddresses(
    const std::string& addresses);

// The first of them, unchecked: where a role listens that may be one of
// several replicas.
std::string FirstAddress(const std::string& addresses);

}  // namespace rlhf
