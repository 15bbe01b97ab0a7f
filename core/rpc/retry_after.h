// When a server that refuses a call wants it again, as part of the status.
//
// On the wire it is the trailing metadata "grpc-retry-pushback-ms", which gRPC
// defines for this (gRFC A6): other clients obey it without knowing us.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace rlhf {

// The metadata's name; its value is a decimal number of milliseconds.
inline constexpr char kRetryAfterKey[] = "grpc-retry-pushback-ms";

// `status`, an error, with the pause that its server asks for. Rounded up to
// whole milliseconds; at most a day.
absl::Status WithRetryAfter(absl::Status status, absl::Duration pause);

// The pause, if the status has one.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

}  // namespace rlhf
