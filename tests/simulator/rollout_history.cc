#include "tests/simulator/rollout_history.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "trainer/experience/rollout_broker.h"

namespace rlhf {

int64_t SampleNumber(const v1::Rollout& rollout) {
  int64_t number = 0;
  RLHF_CHECK(absl::SimpleAtoi(rollout.actor_id(), &number));
  return number;
}

void SetSampleNumber(int64_t number, v1::Rollout& rollout) {
  rollout.set_actor_id(absl::StrCat(number));
}

RolloutHistory::Slot& RolloutHistory::At(const std::string& rollout_id) {
  const int64_t update = *UpdateOfRollout(rollout_id);
  size_t index = 0;
  RLHF_CHECK(
      absl::SimpleAtoi(rollout_id.substr(rollout_id.find('/') + 1), &index));
  Batch& batch = batches_[update];
  batch.slots.resize(size_);
  return batch.slots.at(index);
}

void RolloutHistory::Started(int64_t update) {
  Require(update > saved_, "a learner goes on from its newest checkpoint");
  next_update_ = update;
  for (auto& [number, batch] : batches_) batch.open = false;
}

void RolloutHistory::Opened(int64_t update, const v1::ModelVersion& pm) {
  Batch& batch = batches_[update];
  batch.pm = pm;
  batch.open = true;
  batch.slots.resize(size_);
  for (Slot& slot : batch.slots) {
    slot.lease_end = absl::InfinitePast();
    slot.last_attempt = 0;
  }
  const auto num_open =
      std::count_if(batches_.begin(), batches_.end(),
                    [](const auto& entry) { return entry.second.open; });
  Require(num_open <= max_staleness_ + 1,
          "the number of open batches is bounded");
}

void RolloutHistory::RequireOldestFirst(int64_t update, size_t index,
                                        int64_t policy_version,
                                        absl::Time now) {
  for (const auto& [number, batch] : batches_) {
    if (number > update) break;
    if (!batch.open || policy_version >= number) continue;
    const auto end = batch.slots.begin() +
                     static_cast<ptrdiff_t>(number < update ? size_ : index);
    Require(std::none_of(batch.slots.begin(), end,
                         [now](const Slot& slot) { return IsFree(slot, now); }),
            "the oldest prompt is leased first");
  }
}

void RolloutHistory::Leased(const v1::PromptLease& lease,
                            int64_t policy_version, absl::Time now,
                            absl::Time lease_end) {
  Slot& slot = At(lease.rollout_id());
  const int64_t update = *UpdateOfRollout(lease.rollout_id());
  const Batch& batch = batches_.at(update);
  Require(batch.open, "what is leased is of an open batch");
  Require(slot.stored == kNone, "what is stored is not leased again");
  Require(slot.lease_end <= now, "a slot has one lease at a time");
  Require(lease.attempt() > slot.last_attempt, "attempts only grow");
  Require(lease.pm_version() == batch.pm.version(),
          "every lease names the PM of its batch");
  const int64_t staleness = update - 1 - policy_version;
  Require(staleness >= 0 && staleness <= max_staleness_,
          "nobody samples with a policy that will be too old");
  RequireOldestFirst(update, static_cast<size_t>(&slot - batch.slots.data()),
                     policy_version, now);
  slot.lease_end = lease_end;
  slot.last_attempt = lease.attempt();
}

void RolloutHistory::Stored(const v1::Rollout& rollout) {
  Slot& slot = At(rollout.rollout_id());
  Require(slot.stored == kNone, "a slot is stored once");
  Require(rollout.attempt() >= slot.last_attempt,
          "an attempt that was superseded is not accepted");
  slot.stored = SampleNumber(rollout);
}

void RolloutHistory::Answered(const v1::Rollout& rollout,
                              const v1::RolloutAck& ack) {
  const int64_t update = *UpdateOfRollout(rollout.rollout_id());
  switch (ack.status()) {
    case v1::RolloutAck::ACCEPTED:
    case v1::RolloutAck::DUPLICATE: {
      // Its batch may be in a checkpoint already.
      if (update <= saved_) return;
      Slot& slot = At(rollout.rollout_id());
      Require(slot.stored == SampleNumber(rollout),
              "only what is stored is acknowledged");
      slot.acknowledged = slot.stored;
      return;
    }
    case v1::RolloutAck::STALE:
      return Require(false, "work that was leased never turns stale");
    case v1::RolloutAck::REFUSED:
      return Require(update <= saved_ || rollout.pm().version() !=
                                             batches_[update].pm.version(),
                     "no honest rollout is refused");
    default:
      return Require(ack.status() == v1::RolloutAck::SUPERSEDED,
                     "every rollout is answered");
  }
}

void RolloutHistory::AnsweredForgery(const v1::RolloutAck& ack) {
  Require(ack.status() != v1::RolloutAck::ACCEPTED,
          "no forged rollout is accepted");
}

void RolloutHistory::CheckSample(int64_t update, size_t index,
                                 const Batch& batch,
                                 const v1::Rollout& rollout) {
  const int64_t sample = SampleNumber(rollout);
  if (sample >= static_cast<int64_t>(used_by_.size())) {
    used_by_.resize(static_cast<size_t>(sample) * 2 + 1);
  }
  int64_t& used_by = used_by_[static_cast<size_t>(sample)];
  Require(used_by == 0 || used_by == update, "no sample is used twice");
  used_by = update;
  Require(
      rollout.rollout_id() == RolloutId(update, static_cast<int64_t>(index)),
      "each slot is trained exactly once");
  const Slot& slot = batch.slots[index];
  Require(slot.stored == sample, "the journal holds what is trained on");
  Require(slot.acknowledged == kNone || slot.acknowledged == sample,
          "no acknowledged rollout is lost");
  Require(rollout.has_reward() && std::isfinite(rollout.reward()),
          "every sample has a reward");
  Require(rollout.pm().version() == batch.pm.version() &&
              rollout.pm().digest() == batch.pm.digest(),
          "every reward is of the batch's PM");
  const int64_t staleness = update - 1 - rollout.policy_version();
  Require(staleness >= 0 && staleness <= max_staleness_,
          "staleness is bounded");
  ++num_by_staleness_[staleness];
}

void RolloutHistory::Trained(int64_t update,
                             const std::vector<v1::Rollout>& rollouts) {
  Require(update == next_update_, "updates are made one after the other");
  next_update_ = update + 1;
  Batch& batch = batches_[update];
  batch.open = false;
  Require(rollouts.size() == size_ && batch.slots.size() == size_,
          "a batch has every slot");
  if (!violation_.empty()) return;
  std::vector<int64_t> samples;
  for (size_t i = 0; i < size_; ++i) {
    CheckSample(update, i, batch, rollouts[i]);
    samples.push_back(SampleNumber(rollouts[i]));
  }
  // After a crash an update is made again, of the very same samples.
  if (batch.trained.empty()) {
    num_trained_ += static_cast<int64_t>(size_);
  } else {
    ++num_made_again_;
    Require(batch.trained == samples, "an update made again is the same");
  }
  batch.trained = std::move(samples);
}

void RolloutHistory::Saved(int64_t update) {
  saved_ = update;
  batches_.erase(batches_.begin(), batches_.upper_bound(update));
}

}  // namespace rlhf
