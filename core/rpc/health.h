// Asking the standard health service, which every server here has.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace rlhf {

// Whether the server at the other end says that it does its work. Errors:
// Unavailable or DeadlineExceeded if it does not answer within `timeout`.
absl::StatusOr<bool> IsServing(const std::shared_ptr<grpc::Channel>& channel,
                               absl::Duration timeout);

}  // namespace rlhf
