// The one way to try again: bounded in time, with growing pauses, and at an end
// when the process is asked to stop.
#pragma once

#include <algorithm>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/base/clock.h"
#include "core/base/shutdown.h"

namespace rlhf {

// Errors that may pass by themselves.
inline bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

// Calls `attempt` (returning Status or StatusOr) until it succeeds, fails for
// good, `timeout` has passed or shutdown is requested; returns its last result.
// Pauses grow from 0.1 to 2 seconds. How long one attempt takes is its own
// affair.
template <typename F>
auto RetryTransient(absl::Duration timeout, F&& attempt) {
  const absl::Time deadline = MonotonicNow() + timeout;
  absl::Duration pause = absl::Milliseconds(100);
  while (true) {
    auto result = attempt();
    absl::Status status;
    if constexpr (std::is_same_v<decltype(result), absl::Status>) {
      status = result;
    } else {
      status = result.status();
    }
    if (!IsTransient(status) || MonotonicNow() + pause > deadline ||
        WaitForShutdown(pause)) {
      return result;
    }
    pause = std::min(pause * 2, absl::Seconds(2));
  }
}

}  // namespace rlhf
