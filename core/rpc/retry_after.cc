#include "core/rpc/retry_after.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rlhf {

absl::Status WithRetryAfter(absl::Status status, absl::Duration pause) {
  const absl::Duration bounded =
      std::clamp(pause, absl::ZeroDuration(), absl::Hours(24));
  const int64_t ms =
      absl::ToInt64Milliseconds(absl::Ceil(bounded, absl::Milliseconds(1)));
  status.SetPayload(kRetryAfterKey, absl::Cord(absl::StrCat(ms)));
  return status;
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterKey);
  int64_t ms = 0;
  // Negative means "not again" in gRPC; which errors pass is ours to say.
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &ms) ||
      ms < 0) {
    return std::nullopt;
  }
  return absl::Milliseconds(ms);
}

}  // namespace rlhf
