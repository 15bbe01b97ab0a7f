// Addresses that a role may serve gRPC at or call.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace rlhf {

// Whether `host` is 127.x.x.x, [::1] or localhost.
bool IsLoopbackHost(const std::string& host);

// InvalidArgument unless `address` is "HOST:PORT" with a loopback host: this
// version has no TLS, so nothing may leave the machine. Port 0 means "any free
// one" to a server.
absl::Status CheckLoopback(const std::string& address);

}  // namespace rlhf
