// The one way to try again: bounded in time, with growing pauses or those that
// the server asks for, and at an end when the process is asked to stop.
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

// The pause after the `num_failures`th failure in a row, from 1: what the
// server asked for (core/rpc/retry_after.h), at most 10 seconds, or else 0.1
// seconds doubled with each failure up to 2; times `jitter`. Pure.
absl::Duration RetryPause(const absl::Status& status, int num_failures,
                          double jitter);

// A random factor of 0.8 to 1.2, so that clients that were refused together do
// not come back together.
double RetryJitter();

// Calls `attempt` (returning Status or StatusOr) until it succeeds, fails for
// good, `timeout` has passed or shutdown is requested; returns its last result.
// Pauses as RetryPause says. How long one attempt takes is its own affair.
template <typename F>
auto RetryTransient(absl::Duration timeout, F&& attempt) {
  const absl::Time deadline = MonotonicNow() + timeout;
  for (int num_failures = 1;; ++num_failures) {
    auto result = attempt();
    absl::Status status;
    if constexpr (std::is_same_v<decltype(result), absl::Status>) {
      status = result;
    } else {
      status = result.status();
    }
    if (!IsTransient(status)) return result;
    const absl::Duration pause =
        RetryPause(status, num_failures, RetryJitter());
    if (MonotonicNow() + pause > deadline || WaitForShutdown(pause)) {
      return result;
    }
  }
}

}  // namespace rlhf
