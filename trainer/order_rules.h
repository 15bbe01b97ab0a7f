// What orders mean: pure functions of those that were taken, oldest first.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/orders.pb.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

using Orders = absl::Span<const v1::OrderRecord>;

// Who orders when no person does.
inline constexpr char kLearnerItself[] = "rlhf";

// Where the run stands when an order comes.
struct OrderMoment {
  // Updates done.
  int64_t update = 0;
  // The first update whose batch is not open: what a batch was opened with
  // stays.
  int64_t next_batch = 1;
  // Of the trainer, which controllers may have changed since it was set.
  double kl_coefficient = 0;
  absl::Time now;
};

// The record of `order`, if it can be carried out.
//
// Errors:
//   InvalidArgument     no name or reason; the field, value or rule is wrong
//   Aborted             it has not the number that comes next
//   FailedPrecondition  nothing to resume or to take back; paused already
absl::StatusOr<v1::OrderRecord> AdmitOrder(const v1::RunConfig& config,
                                           Orders taken, const v1::Order& order,
                                           const OrderMoment& moment);

// What holds for `update`.
v1::LiveSettings SettingsAt(Orders taken, int64_t update);

// The order that pauses the run; null: none does.
const v1::OrderRecord* PauseOf(Orders taken);

// The newest checkpoint that was ordered after `update` or an earlier one is to
// be of this update or a later one; -1: none was. Those ordered later, before a
// crash, wait: `update` cannot fulfil them.
int64_t OrderedCheckpoint(Orders taken, int64_t update);

// An order to take back the newest change whose rule this update breaks, if
// there is one. By kLearnerItself, without number.
std::optional<v1::Order> DueRevert(Orders taken,
                                   const v1::UpdateReport& report);

}  // namespace rlhf
