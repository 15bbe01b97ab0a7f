// Addresses that a role may serve gRPC at or call.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rlhf {

// Whether `host` is 127.x.x.x, [::1] or localhost.
bool IsLoopbackHost(const std::string& host);

// InvalidArgument unless `address` is "HOST:PORT" with a host that gRPC may
// serve at or call: any if the run has certificates (`has_tls`,
// core/config/tls_checks.h), else this machine's loopback. Port 0 means "any
// free one" to a server.
absl::Status CheckAddress(const std::string& address, bool has_tls);

// InvalidArgument unless `address` is one that the page may be served at: on
// the loopback, since others reach it through a proxy (docs/access.md).
absl::Status CheckPageAddress(const std::string& address);

// The addresses of "HOST:PORT,HOST:PORT", in order; blanks around them are
// left out. Errors: InvalidArgument unless each passes CheckAddress and none
// stands there twice.
absl::StatusOr<std::vector<std::string>> SplitAddresses(
    const std::string& addresses, bool has_tls);

// The first of them, unchecked: where a role listens that may be one of
// several replicas.
std::string FirstAddress(const std::string& addresses);

}  // namespace rlhf
