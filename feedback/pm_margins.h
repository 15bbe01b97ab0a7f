// What the serving preference model thinks of comparisons.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/rpc/rpc_identity.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Score of A less that of B, for each comparison in order. Thread-safe.
//
// Errors: Unavailable if no PM serves or it did not answer in time; those of
// Reward.Score.
using PmMargins = std::function<absl::StatusOr<std::vector<double>>(
    const std::vector<const v1::Comparison*>& comparisons)>;

// Asks the reward server at `address`, for at most `timeout` in all, and for a
// few comparisons not longer than 5 seconds and 0.3 for each.
PmMargins MarginsOfServingPm(const std::string& address,
                             const RpcIdentity& self, absl::Duration timeout);

}  // namespace rlhf
