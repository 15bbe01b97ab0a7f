// The rollout broker: hands out the prompts of one batch and takes in its
// rollouts, each exactly once. A pure state machine: no I/O, no threads, no
// clock; time is an argument.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rlhf/v1/rollout.pb.h"
#include "trainer/experience/prompt_schedule.h"
#include "trainer/experience/staleness_gate.h"

namespace rlhf {

// A rollout's name, "000012/007": update and slot.
std::string RolloutId(int64_t update, int64_t slot);

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

  // Opens the batch of update `update` (from 1), scored by `pm`. Drops the one
  // before, and all its leases.
  void StartBatch(int64_t update, const v1::ModelVersion& pm);

  // Closes the batch: nothing is leased or accepted until the next StartBatch.
  void CloseBatch() { open_ = false; }

  // Leases up to `max_leases` prompts to an actor that holds
  // `policy_version`: unleased slots and expired ones, in slot order. None if
  // the batch is closed or the actor's policy is too old or too new.
  std::vector<v1::PromptLease> Lease(int max_leases, int64_t policy_version,
                                     absl::Time now);

  // Judges a submitted rollout. ACCEPTED means: store it durably, then call
  // Commit. Changes nothing.
  v1::RolloutAck Check(const v1::Rollout& rollout) const;

  // Notes that `rollout`, which Check accepts, is durable. Also used to fill
  // the batch again from the journal.
  void Commit(const v1::Rollout& rollout);

  bool open() const { return open_; }
  int64_t update() const { return update_; }
  const v1::ModelVersion& pm() const { return pm_; }
  int64_t num_accepted() const { return num_accepted_; }
  int64_t num_leased(absl::Time now) const;
  bool complete() const {
    return num_accepted_ == options_.rollouts_per_update;
  }

  // The batch in slot order. Dies unless complete.
  std::vector<v1::Rollout> Batch() const;

  // Accepted so far, in slot order.
  std::vector<v1::Rollout> Accepted() const;

 private:
  struct Slot {
    PromptSchedule::Slot scheduled;
    int32_t attempt = 0;  // leases granted so far
    absl::Time lease_end = absl::InfinitePast();
    bool accepted = false;
    v1::Rollout rollout;
  };

  // Why the content of `rollout` cannot be trained on; empty if it can.
  std::string Refusal(const v1::Rollout& rollout, const Slot& slot) const;

  const Options options_;
  const PromptSchedule* const schedule_;
  const StalenessGate gate_;
  bool open_ = false;
  int64_t update_ = 0;
  v1::ModelVersion pm_;
  std::vector<Slot> slots_;
  int64_t num_accepted_ = 0;
};

}  // namespace rlhf
