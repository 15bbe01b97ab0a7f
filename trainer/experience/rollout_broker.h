// The rollout broker: hands out the prompts of the open batches, the oldest
// first, and takes in their rollouts, each exactly once. A pure state machine:
// no I/O, no threads, no clock; time is an argument.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rlhf/v1/rollout.pb.h"
#include "trainer/experience/prompt_schedule.h"
#include "trainer/experience/staleness_gate.h"

namespace rlhf {

// A rollout's name, "000012/007": update and slot.
std::string RolloutId(int64_t update, int64_t slot);

// The update that `rollout_id` names; nullopt for what is no rollout_id.
std::optional<int64_t> UpdateOfRollout(const std::string& rollout_id);

// Which batches are open is the owner's choice, within what the staleness gate
// will admit: while policy version v is the newest, updates v + 1 to
// v + 1 + max_staleness. Memory is what the open batches hold, and the last
// closed one.
class RolloutBroker {
 public:
  struct Options {
    int64_t rollouts_per_update = 16;
    absl::Duration lease = absl::Seconds(120);
    int max_new_tokens = 128;
    double temperature = 1;
    uint64_t seed = 1;
    int64_t max_staleness = 0;
    int64_t vocab_size = 0;
  };

  // `schedule` is not owned and must outlive the broker.
  RolloutBroker(const Options& options, const PromptSchedule* schedule);

  // Opens the batch of update `update` (from 1), scored by `pm`; one that is
  // open already begins anew. Drops every closed batch, and all its leases.
  void OpenBatch(int64_t update, const v1::ModelVersion& pm);

  // Closes a batch: nothing of it is leased or accepted any more. What it
  // accepted stays until another batch is opened. Dies unless it is held.
  void CloseBatch(int64_t update);

  // Leases up to `max_leases` prompts to an actor that holds `policy_version`:
  // unleased slots and expired ones, of the oldest batch first, in slot order.
  // None of batches for which the actor's policy is too old or too new.
  std::vector<v1::PromptLease> Lease(int max_leases, int64_t policy_version,
                                     absl::Time now);

  // Judges a submitted rollout. ACCEPTED means: store it durably, then call
  // Commit. Changes nothing.
  v1::RolloutAck Check(const v1::Rollout& rollout) const;

  // Notes that `rollout`, which Check accepts, is durable. Also used to fill
  // a batch again from its journal.
  void Commit(const v1::Rollout& rollout);

  bool open(int64_t update) const;
  int64_t num_leased(absl::Time now) const;

  // The others die unless the batch is held, open or closed.
  int64_t num_accepted(int64_t update) const;
  bool complete(int64_t update) const;

  // The batch in slot order. Dies unless complete.
  std::vector<v1::Rollout> Batch(int64_t update) const;

  // Accepted so far, in slot order.
  std::vector<v1::Rollout> Accepted(int64_t update) const;

 private:
  struct Slot {
    PromptSchedule::Slot scheduled;
    int32_t attempt = 0;  // leases granted so far
    absl::Time lease_end = absl::InfinitePast();
    bool accepted = false;
    v1::Rollout rollout;
  };
  struct HeldBatch {
    bool open = true;
    v1::ModelVersion pm;
    std::vector<Slot> slots;
    int64_t num_accepted = 0;
  };

  const HeldBatch& Held(int64_t update) const;
  v1::PromptLease MakeLease(int64_t update, int64_t index,
                            const HeldBatch& batch) const;
  // Why the content of `rollout` cannot be trained on; empty if it can.
  std::string Refusal(const v1::Rollout& rollout, const Slot& slot,
                      const v1::ModelVersion& pm) const;

  const Options options_;
  const PromptSchedule* const schedule_;
  const StalenessGate gate_;
  std::map<int64_t, HeldBatch> batches_;  // by update
};

}  // namespace rlhf
