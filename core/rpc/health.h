// Asking the standard health service, which every server here has.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/rpc/protocol.h"

namespace rlhf {

struct HealthAnswer {
  // Whether the server says that it does its work.
  bool serving = false;
  // From the question to the answer.
  absl::Duration round_trip = absl::ZeroDuration();
  // Of a server that says so (core/rpc/self_report.h).
  std::optional<Build> build = std::nullopt;
  // How far its clock is ahead of ours, to within half the round trip.
  std::optional<absl::Duration> clock_ahead = std::nullopt;
};

// Errors: Unavailable or DeadlineExceeded if the server at the other end does
// not answer within `timeout`.
absl::StatusOr<HealthAnswer> AskHealth(
    const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout);

// The first part of the answer. Errors: as AskHealth.
absl::StatusOr<bool> IsServing(const std::shared_ptr<grpc::Channel>& channel,
                               absl::Duration timeout);

}  // namespace rlhf
