#include "trainer/experience/rollout_broker.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"

namespace rlhf {
namespace {

// A log-probability may exceed 0 by rounding only.
constexpr float kMaxLogprob = 1e-3f;

v1::RolloutAck Ack(const v1::Rollout& rollout, v1::RolloutAck::Status status,
                   const std::string& message = "") {
  v1::RolloutAck ack;
  ack.set_rollout_id(rollout.rollout_id());
  ack.set_status(status);
  ack.set_message(message);
  return ack;
}

std::string Name(const v1::ModelVersion& model) {
  return absl::StrCat("version ", model.version(), " (digest ",
                      model.digest().substr(0, 12), ")");
}

// The slot that `rollout_id` names within `update`; -1 for another update, -2
// for something that is no rollout_id.
int64_t SlotOf(const std::string& rollout_id, int64_t update,
               int64_t num_slots) {
  int64_t named_update = 0, slot = 0;
  const size_t slash = rollout_id.find('/');
  if (slash == std::string::npos ||
      !absl::SimpleAtoi(rollout_id.substr(0, slash), &named_update) ||
      !absl::SimpleAtoi(rollout_id.substr(slash + 1), &slot) || slot < 0 ||
      RolloutId(named_update, slot) != rollout_id) {
    return -2;
  }
  if (named_update != update) return -1;
  return slot < num_slots ? slot : -2;
}

}  // namespace

std::string RolloutId(int64_t update, int64_t slot) {
  return absl::StrFormat("%06d/%03d", update, slot);
}

RolloutBroker::RolloutBroker(const Options& options,
                             const PromptSchedule* schedule)
    : options_(options), schedule_(schedule), gate_(options.max_staleness) {}

void RolloutBroker::StartBatch(int64_t update, const v1::ModelVersion& pm) {
  RLHF_CHECK(update > 0 && update >= update_) << update << " after " << update_;
  update_ = update;
  pm_ = pm;
  slots_.clear();
  const int64_t first = (update - 1) * options_.rollouts_per_update;
  for (int64_t i = 0; i < options_.rollouts_per_update; ++i) {
    slots_.push_back({.scheduled = schedule_->At(first + i)});
  }
  num_accepted_ = 0;
  open_ = true;
}

std::vector<v1::PromptLease> RolloutBroker::Lease(int max_leases,
                                                  int64_t policy_version,
                                                  absl::Time now) {
  std::vector<v1::PromptLease> leases;
  if (!open_ || !gate_.Admits(policy_version, update_)) return leases;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (static_cast<int>(leases.size()) >= max_leases) break;
    Slot& slot = slots_[i];
    if (slot.accepted || slot.lease_end > now) continue;
    ++slot.attempt;
    slot.lease_end = now + options_.lease;
    const auto index = static_cast<int64_t>(i);
    v1::PromptLease& lease = leases.emplace_back();
    lease.set_rollout_id(RolloutId(update_, index));
    lease.set_attempt(slot.attempt);
    *lease.mutable_prompt() = *slot.scheduled.prompt;
    lease.set_sample(static_cast<int32_t>(slot.scheduled.sample));
    lease.set_min_policy_version(gate_.MinVersion(update_));
    lease.set_pm_version(pm_.version());
    lease.set_max_new_tokens(options_.max_new_tokens);
    lease.set_temperature(static_cast<float>(options_.temperature));
    lease.set_seed(options_.seed);
    lease.set_lease_ms(absl::ToInt64Milliseconds(options_.lease));
  }
  return leases;
}

std::string RolloutBroker::Refusal(const v1::Rollout& rollout,
                                   const Slot& slot) const {
  const int length = rollout.response_ids_size();
  if (rollout.attempt() < 1) return "attempt: leases are counted from 1";
  if (rollout.prompt().prompt_id() != slot.scheduled.prompt->prompt_id()) {
    return "prompt: not the one that was leased";
  }
  if (rollout.prompt_ids().empty()) return "prompt_ids: empty";
  if (length < 1 || length > options_.max_new_tokens) {
    return absl::StrCat("response_ids: ", length, " tokens; wanted 1 to ",
                        options_.max_new_tokens);
  }
  if (rollout.behaviour_logprobs_size() != length) {
    return absl::StrCat(
        "behaviour_logprobs: ", rollout.behaviour_logprobs_size(), " for ",
        length, " tokens");
  }
  for (const auto* ids : {&rollout.prompt_ids(), &rollout.response_ids()}) {
    for (const int32_t id : *ids) {
      if (id < 0 || id >= options_.vocab_size) {
        return absl::StrCat("token id ", id, " is outside the vocabulary of ",
                            options_.vocab_size);
      }
    }
  }
  for (const float logprob : rollout.behaviour_logprobs()) {
    if (!std::isfinite(logprob) || logprob > kMaxLogprob) {
      return absl::StrCat("behaviour_logprobs: ", logprob,
                          " is no log-probability");
    }
  }
  if (!rollout.has_reward() || !std::isfinite(rollout.reward())) {
    return "reward: missing or not finite";
  }
  if (rollout.pm().version() != pm_.version() ||
      rollout.pm().digest() != pm_.digest()) {
    return absl::StrCat("pm: scored by ", Name(rollout.pm()),
                        ", this batch has ", Name(pm_));
  }
  if (rollout.finish_reason() != v1::FINISH_REASON_STOP &&
      rollout.finish_reason() != v1::FINISH_REASON_LENGTH) {
    return "finish_reason: not given";
  }
  return "";
}

v1::RolloutAck RolloutBroker::Check(const v1::Rollout& rollout) const {
  const int64_t index = SlotOf(rollout.rollout_id(), update_,
                               static_cast<int64_t>(slots_.size()));
  if (index == -2) {
    return Ack(rollout, v1::RolloutAck::REFUSED,
               "rollout_id: not one that was leased");
  }
  // Of a batch that is done: from a slow actor whose slot was filled by
  // somebody, perhaps by this very rollout. Of a batch that a restarted learner
  // has not opened yet: its prompt will be leased again.
  if (index == -1) {
    return Ack(rollout, v1::RolloutAck::SUPERSEDED, "its batch is not open");
  }
  const Slot& slot = slots_[static_cast<size_t>(index)];
  if (slot.accepted) {
    return slot.rollout.attempt() == rollout.attempt()
               ? Ack(rollout, v1::RolloutAck::DUPLICATE)
               : Ack(rollout, v1::RolloutAck::SUPERSEDED,
                     "another attempt was accepted");
  }
  if (!open_) {
    return Ack(rollout, v1::RolloutAck::SUPERSEDED, "its batch is not open");
  }
  if (rollout.attempt() < slot.attempt) {
    return Ack(rollout, v1::RolloutAck::SUPERSEDED,
               absl::StrCat("attempt ", rollout.attempt(),
                            "; the prompt was leased again as attempt ",
                            slot.attempt));
  }
  if (!gate_.Admits(rollout.policy_version(), update_)) {
    return Ack(
        rollout, v1::RolloutAck::STALE,
        absl::StrCat("sampled by policy version ", rollout.policy_version(),
                     "; update ", update_, " takes ", gate_.MinVersion(update_),
                     " to ", update_ - 1));
  }
  const std::string refusal = Refusal(rollout, slot);
  if (!refusal.empty()) return Ack(rollout, v1::RolloutAck::REFUSED, refusal);
  return Ack(rollout, v1::RolloutAck::ACCEPTED);
}

void RolloutBroker::Commit(const v1::Rollout& rollout) {
  const int64_t index = SlotOf(rollout.rollout_id(), update_,
                               static_cast<int64_t>(slots_.size()));
  RLHF_CHECK(index >= 0) << rollout.rollout_id();
  Slot& slot = slots_[static_cast<size_t>(index)];
  RLHF_CHECK(!slot.accepted) << rollout.rollout_id();
  slot.accepted = true;
  slot.rollout = rollout;
  // After a restart leases are forgotten; attempts must not count anew.
  slot.attempt = std::max(slot.attempt, rollout.attempt());
  ++num_accepted_;
}

int64_t RolloutBroker::num_leased(absl::Time now) const {
  int64_t count = 0;
  for (const Slot& slot : slots_) {
    count += !slot.accepted && slot.lease_end > now ? 1 : 0;
  }
  return count;
}

std::vector<v1::Rollout> RolloutBroker::Accepted() const {
  std::vector<v1::Rollout> rollouts;
  for (const Slot& slot : slots_) {
    if (slot.accepted) rollouts.push_back(slot.rollout);
  }
  return rollouts;
}

std::vector<v1::Rollout> RolloutBroker::Batch() const {
  RLHF_CHECK(complete());
  return Accepted();
}

}  // namespace rlhf
