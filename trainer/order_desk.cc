#include "trainer/order_desk.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"

namespace rlhf {
namespace {

// After the newest batch that was ever opened: of it there is a journal, set
// aside or not.
int64_t FirstUnopened(const std::string& run_directory) {
  int64_t newest = 0;
  for (const std::string& name : ListDirectory(run_directory + "/rollouts")) {
    int64_t update = 0;
    if (absl::SimpleAtoi(name.substr(0, name.find('.')), &update)) {
      newest = std::max(newest, update);
    }
  }
  return newest + 1;
}

}  // namespace

OrderDesk::OrderDesk(const v1::RunConfig& config, const Clock* clock)
    : config_(config), clock_(clock), log_(RunDirectory(config)) {}

absl::StatusOr<std::unique_ptr<OrderDesk>> OrderDesk::Open(
    const v1::RunConfig& config, const Clock* clock) {
  auto desk = std::unique_ptr<OrderDesk>(new OrderDesk(config, clock));
  RLHF_ASSIGN_OR_RETURN(std::vector<v1::OrderRecord> taken,
                        desk->log_.ReadAll());
  MutexLock lock(&desk->mutex_);
  desk->taken_ = std::move(taken);
  desk->next_batch_ = FirstUnopened(RunDirectory(config));
  return desk;
}

absl::StatusOr<v1::OrderRecord> OrderDesk::Admit(const v1::Order& order,
                                                 const std::string& signature) {
  RLHF_ASSIGN_OR_RETURN(v1::OrderRecord record,
                        AdmitOrder(config_, taken_, order,
                                   {.update = update_,
                                    .next_batch = next_batch_,
                                    .kl_coefficient = kl_coefficient_,
                                    .now = clock_->Now()}));
  record.set_order_signature(signature);
  RLHF_RETURN_IF_ERROR(log_.Append(record));
  taken_.push_back(record);
  RLHF_LOG(INFO) << "order " << order.seq() << " by " << order.by() << ": "
                 << v1::Order::Action_Name(order.action()) << " "
                 << record.field() << ", from update " << record.from_update()
                 << " on: " << order.reason();
  return record;
}

absl::StatusOr<v1::OrderRecord> OrderDesk::Take(
    const v1::SignedOrder& signed_order) {
  RLHF_ASSIGN_OR_RETURN(const v1::Order order, log_.Open(signed_order));
  if (order.by() == kLearnerItself) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", kLearnerItself, "\" is the learner itself; wanted your name"));
  }
  MutexLock lock(&mutex_);
  if (!started_) return absl::UnavailableError("the learner is only starting");
  const auto taken = static_cast<size_t>(order.seq() - 1);
  if (taken < taken_.size() &&
      taken_[taken].order_signature() == signed_order.signature()) {
    // A process that was killed before it had stopped is asked again.
    stop_ |= order.action() == v1::Order::STOP && taken + 1 == taken_.size();
    return taken_[taken];
  }
  RLHF_ASSIGN_OR_RETURN(const v1::OrderRecord record,
                        Admit(order, signed_order.signature()));
  stop_ |= order.action() == v1::Order::STOP;
  return record;
}

void OrderDesk::Reached(int64_t update, double kl_coefficient) {
  MutexLock lock(&mutex_);
  started_ = true;
  update_ = update;
  next_batch_ = std::max(next_batch_, update + 1);
  kl_coefficient_ = kl_coefficient;
}

absl::Status OrderDesk::Judge(const v1::UpdateReport& report) {
  MutexLock lock(&mutex_);
  // What no batch would see any more is not ordered.
  while (next_batch_ <= config_.ppo().num_updates()) {
    std::optional<v1::Order> revert = DueRevert(taken_, report);
    if (!revert.has_value()) return absl::OkStatus();
    revert->set_seq(static_cast<int64_t>(taken_.size()) + 1);
    RLHF_RETURN_IF_ERROR(Admit(*revert, "").status());
  }
  return absl::OkStatus();
}

v1::LiveSettings OrderDesk::ForBatch(int64_t update) {
  MutexLock lock(&mutex_);
  next_batch_ = std::max(next_batch_, update + 1);
  return SettingsAt(taken_, update);
}

std::string OrderDesk::Pause() const {
  MutexLock lock(&mutex_);
  const v1::OrderRecord* const pause = PauseOf(taken_);
  return pause == nullptr ? ""
                          : absl::StrCat("paused by ", pause->order().by(),
                                         ": ", pause->order().reason());
}

bool OrderDesk::WantsCheckpoint(int64_t newest) const {
  MutexLock lock(&mutex_);
  return OrderedCheckpoint(taken_, update_) > newest;
}

bool OrderDesk::WantsStop() const {
  MutexLock lock(&mutex_);
  return stop_;
}

absl::Status OrderDesk::CheckComplete(const v1::LiveSettings& settings) const {
  MutexLock lock(&mutex_);
  const auto count = static_cast<int64_t>(taken_.size());
  if (settings.last_order() <= count) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(OrderLogPath(RunDirectory(config_)), " has ", count,
                   " orders, but the checkpoint follows order ",
                   settings.last_order(), "; restore the file"));
}

}  // namespace rlhf
