#include "trainer/experience/rollout_broker.h"

#include <algorithm>
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

std::string PmName(const v1::ModelVersion& model) {
  return absl::StrCat("version ", model.version(), " (digest ",
                      model.digest().substr(0, 12), ")");
}

struct Name {
  int64_t update = 0, slot = 0;
};

// What `rollout_id` names; nullopt for something that is no rollout_id.
std::optional<Name> Parse(const std::string& rollout_id) {
  Name name;
  const size_t slash = rollout_id.find('/');
  if (slash == std::string::npos ||
      !absl::SimpleAtoi(rollout_id.substr(0, slash), &name.update) ||
      !absl::SimpleAtoi(rollout_id.substr(slash + 1), &name.slot) ||
      name.slot < 0 || RolloutId(name.update, name.slot) != rollout_id) {
    return std::nullopt;
  }
  return name;
}

// A policy version is older than the update that takes it; the oldest decides
// how stale the rollout is.
std::string VersionsRefusal(const v1::Rollout& rollout) {
  if (rollout.policy_versions().empty()) return "";
  int64_t num_tokens = 0, last = rollout.policy_version() - 1;
  for (const v1::VersionRun& run : rollout.policy_versions()) {
    if (run.num_tokens() < 1 || run.version() <= last) {
      return "policy_versions: wanted runs of tokens, versions rising";
    }
    num_tokens += run.num_tokens();
    last = run.version();
  }
  if (rollout.policy_versions(0).version() != rollout.policy_version()) {
    return absl::StrCat("policy_versions: the oldest is ",
                        rollout.policy_versions(0).version(),
                        ", policy_version says ", rollout.policy_version());
  }
  if (num_tokens != rollout.response_ids_size()) {
    return absl::StrCat("policy_versions: of ", num_tokens,
                        " tokens; there are ", rollout.response_ids_size());
  }
  const int64_t update = Parse(rollout.rollout_id())->update;
  if (last >= update) {
    return absl::StrCat("policy_versions: version ", last,
                        " cannot have sampled for update ", update);
  }
  return "";
}

// Attempts are counted anew when the learner restarts, so that two samples of a
// slot may be of the same. One that was scored again is still the same sample.
bool IsSameSample(const v1::Rollout& a, const v1::Rollout& b) {
  return a.attempt() == b.attempt() && a.actor_id() == b.actor_id() &&
         a.policy_version() == b.policy_version() &&
         std::ranges::equal(a.response_ids(), b.response_ids()) &&
         std::ranges::equal(a.behaviour_logprobs(), b.behaviour_logprobs());
}

}  // namespace

std::string RolloutId(int64_t update, int64_t slot) {
  return absl::StrFormat("%06d/%03d", update, slot);
}

std::optional<int64_t> UpdateOfRollout(const std::string& rollout_id) {
  const std::optional<Name> name = Parse(rollout_id);
  if (!name.has_value()) return std::nullopt;
  return name->update;
}

RolloutBroker::RolloutBroker(const Options& options,
                             const PromptSchedule* schedule)
    : options_(options), schedule_(schedule), gate_(options.max_staleness) {}

void RolloutBroker::OpenBatch(int64_t update, const v1::ModelVersion& pm) {
  RLHF_CHECK(update > 0) << update;
  std::erase_if(batches_, [update](const auto& entry) {
    return !entry.second.open || entry.first == update;
  });
  HeldBatch& batch = batches_[update];
  batch.pm = pm;
  const int64_t first = (update - 1) * options_.rollouts_per_update;
  for (int64_t i = 0; i < options_.rollouts_per_update; ++i) {
    batch.slots.push_back({.scheduled = schedule_->At(first + i)});
  }
}

void RolloutBroker::CloseBatch(int64_t update) {
  RLHF_CHECK(batches_.contains(update)) << update;
  batches_[update].open = false;
}

std::vector<v1::PromptLease> RolloutBroker::Lease(int max_leases,
                                                  int64_t policy_version,
                                                  absl::Time now) {
  std::vector<v1::PromptLease> leases;
  for (auto& [update, batch] : batches_) {
    if (!batch.open || !gate_.Admits(policy_version, update)) continue;
    for (size_t i = 0; i < batch.slots.size(); ++i) {
      if (static_cast<int>(leases.size()) >= max_leases) return leases;
      Slot& slot = batch.slots[i];
      if (slot.accepted || slot.lease_end > now) continue;
      ++slot.attempt;
      slot.lease_end = now + options_.lease;
      leases.push_back(MakeLease(update, static_cast<int64_t>(i), batch));
    }
  }
  return leases;
}

v1::PromptLease RolloutBroker::MakeLease(int64_t update, int64_t index,
                                         const HeldBatch& batch) const {
  const Slot& slot = batch.slots[static_cast<size_t>(index)];
  v1::PromptLease lease;
  lease.set_rollout_id(RolloutId(update, index));
  lease.set_attempt(slot.attempt);
  *lease.mutable_prompt() = *slot.scheduled.prompt;
  lease.set_sample(static_cast<int32_t>(slot.scheduled.sample));
  lease.set_min_policy_version(gate_.MinVersion(update));
  lease.set_pm_version(batch.pm.version());
  lease.set_max_new_tokens(options_.max_new_tokens);
  lease.set_temperature(static_cast<float>(options_.temperature));
  lease.set_seed(options_.seed);
  lease.set_lease_ms(absl::ToInt64Milliseconds(options_.lease));
  return lease;
}

std::string RolloutBroker::Refusal(const v1::Rollout& rollout, const Slot& slot,
                                   const v1::ModelVersion& pm) const {
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
  if (rollout.pm().version() != pm.version() ||
      rollout.pm().digest() != pm.digest()) {
    return absl::StrCat("pm: scored by ", PmName(rollout.pm()),
                        ", this batch has ", PmName(pm));
  }
  if (rollout.finish_reason() != v1::FINISH_REASON_STOP &&
      rollout.finish_reason() != v1::FINISH_REASON_LENGTH) {
    return "finish_reason: not given";
  }
  return VersionsRefusal(rollout);
}

v1::RolloutAck RolloutBroker::Check(const v1::Rollout& rollout) const {
  const std::optional<Name> name = Parse(rollout.rollout_id());
  const auto held =
      name.has_value() ? batches_.find(name->update) : batches_.end();
  // Of a batch that is done: from a slow actor whose slot was filled by
  // somebody, perhaps by this very rollout. Of a batch that a restarted learner
  // has not opened yet: its prompt will be leased again.
  if (name.has_value() && held == batches_.end()) {
    return Ack(rollout, v1::RolloutAck::SUPERSEDED, "its batch is not open");
  }
  if (!name.has_value() || name->slot >= options_.rollouts_per_update) {
    return Ack(rollout, v1::RolloutAck::REFUSED,
               "rollout_id: not one that was leased");
  }
  const HeldBatch& batch = held->second;
  const Slot& slot = batch.slots[static_cast<size_t>(name->slot)];
  if (slot.accepted) {
    return IsSameSample(slot.rollout, rollout)
               ? Ack(rollout, v1::RolloutAck::DUPLICATE)
               : Ack(rollout, v1::RolloutAck::SUPERSEDED,
                     "another attempt was accepted");
  }
  if (!batch.open) {
    return Ack(rollout, v1::RolloutAck::SUPERSEDED, "its batch is not open");
  }
  if (rollout.attempt() < slot.attempt) {
    return Ack(rollout, v1::RolloutAck::SUPERSEDED,
               absl::StrCat("attempt ", rollout.attempt(),
                            "; the prompt was leased again as attempt ",
                            slot.attempt));
  }
  if (!gate_.Admits(rollout.policy_version(), name->update)) {
    return Ack(
        rollout, v1::RolloutAck::STALE,
        absl::StrCat("sampled by policy version ", rollout.policy_version(),
                     "; update ", name->update, " takes ",
                     gate_.MinVersion(name->update), " to ", name->update - 1));
  }
  const std::string refusal = Refusal(rollout, slot, batch.pm);
  if (!refusal.empty()) return Ack(rollout, v1::RolloutAck::REFUSED, refusal);
  return Ack(rollout, v1::RolloutAck::ACCEPTED);
}

void RolloutBroker::Commit(const v1::Rollout& rollout) {
  const std::optional<Name> name = Parse(rollout.rollout_id());
  RLHF_CHECK(name.has_value() && batches_.contains(name->update) &&
             name->slot < options_.rollouts_per_update)
      << rollout.rollout_id();
  HeldBatch& batch = batches_[name->update];
  Slot& slot = batch.slots[static_cast<size_t>(name->slot)];
  RLHF_CHECK(!slot.accepted) << rollout.rollout_id();
  slot.accepted = true;
  slot.rollout = rollout;
  // After a restart leases are forgotten; attempts must not count anew.
  slot.attempt = std::max(slot.attempt, rollout.attempt());
  ++batch.num_accepted;
}

const RolloutBroker::HeldBatch& RolloutBroker::Held(int64_t update) const {
  const auto held = batches_.find(update);
  RLHF_CHECK(held != batches_.end()) << "no batch of update " << update;
  return held->second;
}

bool RolloutBroker::open(int64_t update) const {
  const auto held = batches_.find(update);
  return held != batches_.end() && held->second.open;
}

int64_t RolloutBroker::num_leased(absl::Time now) const {
  int64_t count = 0;
  for (const auto& [update, batch] : batches_) {
    for (const Slot& slot : batch.slots) {
      count += !slot.accepted && slot.lease_end > now ? 1 : 0;
    }
  }
  return count;
}

int64_t RolloutBroker::num_accepted(int64_t update) const {
  return Held(update).num_accepted;
}

bool RolloutBroker::complete(int64_t update) const {
  return num_accepted(update) == options_.rollouts_per_update;
}

std::vector<v1::Rollout> RolloutBroker::Accepted(int64_t update) const {
  std::vector<v1::Rollout> rollouts;
  for (const Slot& slot : Held(update).slots) {
    if (slot.accepted) rollouts.push_back(slot.rollout);
  }
  return rollouts;
}

std::vector<v1::Rollout> RolloutBroker::Batch(int64_t update) const {
  RLHF_CHECK(complete(update));
  return Accepted(update);
}

}  // namespace rlhf
