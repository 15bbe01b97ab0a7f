#include "core/rpc/retry.h"

#include <random>

#include "core/rpc/retry_after.h"

namespace rlhf {

absl::Duration RetryPause(const absl::Status& status, int num_failures,
                          double jitter) {
  constexpr absl::Duration kFirst = absl::Milliseconds(100);
  constexpr absl::Duration kLongest = absl::Seconds(2);
  constexpr absl::Duration kLongestAskedFor = absl::Seconds(10);
  // 0.1 s doubled five times is above 2 s.
  const int doublings = std::min(num_failures - 1, 5);
  const absl::Duration backoff = std::min(kFirst * (1 << doublings), kLongest);
  const absl::Duration pause = std::min(
      std::max(RetryAfter(status).value_or(backoff), absl::Milliseconds(1)),
      kLongestAskedFor);
  return pause * jitter;
}

double RetryJitter() {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_real_distribution<double>(0.8, 1.2)(random);
}

}  // namespace rlhf
