#include "trainer/order_rules.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "trainer/live_fields.h"
#include "trainer/revert_rule.h"

namespace rlhf {
namespace {

constexpr size_t kMaxNameBytes = 100;
constexpr size_t kMaxReasonBytes = 1000;

// "order 3 by ann".
std::string Name(const v1::OrderRecord& record) {
  return absl::StrCat("order ", record.order().seq(), " by ",
                      record.order().by());
}

// The changes of `field` that are in force, oldest first: each stands on what
// the one before it made.
std::vector<const v1::OrderRecord*> ChangesOf(Orders taken,
                                              const std::string& field) {
  std::vector<const v1::OrderRecord*> changes;
  for (const v1::OrderRecord& record : taken) {
    if (record.field() != field) continue;
    if (record.order().action() == v1::Order::SET) changes.push_back(&record);
    if (record.order().action() == v1::Order::REVERT && !changes.empty()) {
      changes.pop_back();
    }
  }
  return changes;
}

// The newest order that set or reset `field`; null: none did.
const v1::OrderRecord* NewestOf(Orders taken, const std::string& field) {
  for (auto it = taken.rbegin(); it != taken.rend(); ++it) {
    if (it->field() == field) return &*it;
  }
  return nullptr;
}

// What `field` is for whoever changes it now.
absl::StatusOr<double> CurrentValue(const v1::RunConfig& config, Orders taken,
                                    const std::string& field,
                                    const OrderMoment& moment) {
  const v1::OrderRecord* const newest = NewestOf(taken, field);
  const bool is_followed =
      newest == nullptr || newest->from_update() <= moment.update;
  if (field == kKlField && is_followed) return moment.kl_coefficient;
  if (newest != nullptr) return newest->new_value();
  return LiveValue(config, field);
}

absl::Status AdmitSet(const v1::RunConfig& config, Orders taken,
                      const OrderMoment& moment, v1::OrderRecord& record) {
  const v1::Order& order = record.order();
  if (!order.has_value()) {
    return absl::InvalidArgumentError("set: wanted FIELD=VALUE");
  }
  RLHF_RETURN_IF_ERROR(CheckLiveValue(config, order.field(), order.value()));
  if (!order.revert_if().empty()) {
    RLHF_RETURN_IF_ERROR(RevertRule::Parse(order.revert_if()).status());
  }
  RLHF_ASSIGN_OR_RETURN(const double old_value,
                        CurrentValue(config, taken, order.field(), moment));
  record.set_field(order.field());
  record.set_old_value(old_value);
  record.set_new_value(order.value());
  return absl::OkStatus();
}

absl::Status AdmitRevert(const v1::RunConfig& config, Orders taken,
                         const OrderMoment& moment, v1::OrderRecord& record) {
  const int64_t seq = record.order().reverts();
  if (seq < 1 || seq > static_cast<int64_t>(taken.size())) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is no order ", seq, "; there are ", taken.size()));
  }
  const v1::OrderRecord& reverted = taken[static_cast<size_t>(seq - 1)];
  if (reverted.order().action() != v1::Order::SET) {
    return absl::FailedPreconditionError(
        absl::StrCat(Name(reverted), " has set nothing that could be reset"));
  }
  const auto changes = ChangesOf(taken, reverted.field());
  if (std::find(changes.begin(), changes.end(), &reverted) == changes.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat(Name(reverted), " was taken back already"));
  }
  if (changes.back() != &reverted) {
    return absl::FailedPreconditionError(absl::StrCat(
        Name(*changes.back()), " changed ", reverted.field(), " after ",
        Name(reverted), "; take that one back first, or set the field"));
  }
  RLHF_ASSIGN_OR_RETURN(const double now,
                        CurrentValue(config, taken, reverted.field(), moment));
  record.set_field(reverted.field());
  record.set_old_value(now);
  record.set_new_value(reverted.old_value());
  return absl::OkStatus();
}

absl::Status AdmitPause(Orders taken, bool pause) {
  const v1::OrderRecord* const paused = PauseOf(taken);
  if (pause == (paused == nullptr)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      pause ? absl::StrCat("the run is paused already, by ", Name(*paused))
            : "no order has paused the run");
}

absl::Status CheckCause(const v1::Order& order) {
  if (order.by().empty() || order.reason().empty()) {
    return absl::InvalidArgumentError(
        "a name and a reason are needed: the record keeps who ordered it, and "
        "why");
  }
  if (order.by().size() > kMaxNameBytes ||
      order.reason().size() > kMaxReasonBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a name has at most ", kMaxNameBytes, " bytes, a reason ",
                     kMaxReasonBytes));
  }
  return absl::OkStatus();
}

absl::Status AdmitAction(const v1::RunConfig& config, Orders taken,
                         const OrderMoment& moment, v1::OrderRecord& record) {
  switch (record.order().action()) {
    case v1::Order::SET:
      return AdmitSet(config, taken, moment, record);
    case v1::Order::REVERT:
      return AdmitRevert(config, taken, moment, record);
    case v1::Order::PAUSE:
    case v1::Order::RESUME:
      return AdmitPause(taken, record.order().action() == v1::Order::PAUSE);
    case v1::Order::CHECKPOINT:
    case v1::Order::STOP:
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(
          "no such order: wanted pause, resume, checkpoint, stop, set or "
          "revert");
  }
}

}  // namespace

absl::StatusOr<v1::OrderRecord> AdmitOrder(const v1::RunConfig& config,
                                           Orders taken, const v1::Order& order,
                                           const OrderMoment& moment) {
  RLHF_RETURN_IF_ERROR(CheckCause(order));
  const auto next = static_cast<int64_t>(taken.size()) + 1;
  if (order.seq() != next) {
    return absl::AbortedError(
        absl::StrCat("wanted order ", next, ", got ", order.seq(),
                     taken.empty() ? ""
                                   : absl::StrCat("; ", Name(taken.back()),
                                                  " came "
                                                  "meanwhile"),
                     ": look at it and order again"));
  }
  v1::OrderRecord record;
  *record.mutable_order() = order;
  record.set_time(
      absl::FormatTime(absl::RFC3339_sec, moment.now, absl::UTCTimeZone()));
  record.set_given_at_update(moment.update);
  record.set_from_update(moment.update + 1);
  RLHF_RETURN_IF_ERROR(AdmitAction(config, taken, moment, record));
  if (!record.field().empty()) {
    // After a crash a batch may be opened anew, but never before an older
    // order's.
    const v1::OrderRecord* const newest = NewestOf(taken, record.field());
    record.set_from_update(std::max(
        moment.next_batch, newest == nullptr ? 0 : newest->from_update()));
    if (record.from_update() > config.ppo().num_updates()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the batches of all ", config.ppo().num_updates(),
          " updates are opened: ", record.field(), " can no more be changed"));
    }
  }
  return record;
}

v1::LiveSettings SettingsAt(Orders taken, int64_t update) {
  v1::LiveSettings settings;
  for (const v1::OrderRecord& record : taken) {
    if (record.field().empty() || record.from_update() > update) continue;
    PutLiveValue(record.field(), record.new_value(), record.order().seq(),
                 settings);
  }
  return settings;
}

const v1::OrderRecord* PauseOf(Orders taken) {
  for (auto it = taken.rbegin(); it != taken.rend(); ++it) {
    if (it->order().action() == v1::Order::RESUME) return nullptr;
    if (it->order().action() == v1::Order::PAUSE) return &*it;
  }
  return nullptr;
}

int64_t OrderedCheckpoint(Orders taken, int64_t update) {
  int64_t ordered = -1;
  for (const v1::OrderRecord& record : taken) {
    if (record.order().action() != v1::Order::CHECKPOINT ||
        record.given_at_update() > update) {
      continue;
    }
    ordered = std::max(ordered, record.given_at_update());
  }
  return ordered;
}

std::optional<v1::Order> DueRevert(Orders taken,
                                   const v1::UpdateReport& report) {
  for (auto it = taken.rbegin(); it != taken.rend(); ++it) {
    const v1::Order& order = it->order();
    if (order.revert_if().empty() || report.update() < it->from_update()) {
      continue;
    }
    // Its watch is over, even if what came after was taken back since: updates
    // that were made meanwhile say nothing of it.
    if (NewestOf(taken, it->field()) != &*it) continue;
    const auto rule = RevertRule::Parse(order.revert_if());
    const std::string why = rule.ok() ? rule->Judge(report) : "";
    if (why.empty()) continue;
    v1::Order revert;
    revert.set_action(v1::Order::REVERT);
    revert.set_by(kLearnerItself);
    revert.set_reason(why);
    revert.set_reverts(order.seq());
    return revert;
  }
  return std::nullopt;
}

}  // namespace rlhf
