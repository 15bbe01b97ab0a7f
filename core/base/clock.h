// Time as an interface, so that code that waits for deadlines is tested without
// waiting.
#pragma once

#include <chrono>
#include <ctime>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace rlhf {

// Time since the machine started, its sleep included. Nobody can set it, so it
// is what leases, limits, pauses and deadlines are reckoned by. Only
// differences mean anything: it is no time of day. Thread-safe.
inline absl::Time MonotonicNow() {
  timespec now = {};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::TimeFromTimespec(now);
}

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // The time of day, for records. It may be set, by any amount and either way:
  // nothing is to last until it says so.
  virtual absl::Time Now() const = 0;
  // As MonotonicNow, for whatever lasts.
  virtual absl::Time Monotonic() const = 0;
};

class RealClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
  absl::Time Monotonic() const override { return MonotonicNow(); }
};

// Stands still until told to move. Not thread-safe.
class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  absl::Time Monotonic() const override { return monotonic_; }
  // Time passes.
  void Advance(absl::Duration step) {
    now_ += step;
    monotonic_ += step;
  }
  // Somebody sets the time of day.
  void Jump(absl::Duration step) { now_ += step; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Time monotonic_ = absl::FromUnixSeconds(1'000);
};

// Seconds since construction, by the monotonic clock.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
};

}  // namespace rlhf
