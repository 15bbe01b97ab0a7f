// A listening TCP socket from a "host:port", with errors that say what to do.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace rlhf {

struct ListenSocket {
  // Owned by whoever receives this.
  int fd = -1;
  // The port that was bound, also where port 0 was asked for.
  int port = 0;
};

// Errors: as HttpServer::Start.
absl::StatusOr<ListenSocket> Listen(const std::string& address);

}  // namespace rlhf
