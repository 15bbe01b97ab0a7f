// Judges what a broker, its journals and its learner were seen to do. It knows
// nothing of how they do it.
//
//   no rollout that was acknowledged is lost, none is trained on twice
//   a result of a lease that somebody else has since is not taken
//   a policy version does not go back behind a checkpoint, and no sample is
//   older than the staleness bound
//   every reward is of its batch's one PM
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rlhf/v1/rollout.pb.h"

namespace rlhf {

// The number of the sample that `rollout` carries: each is made once, however
// often it is sent.
int64_t SampleNumber(const v1::Rollout& rollout);
void SetSampleNumber(int64_t number, v1::Rollout& rollout);

class RolloutHistory {
 public:
  RolloutHistory(int64_t rollouts_per_update, int64_t max_staleness)
      : size_(static_cast<size_t>(rollouts_per_update)),
        max_staleness_(max_staleness) {}

  // The first rule that was broken; empty if none was.
  const std::string& violation() const { return violation_; }

  // A learner process begins with making `update`; what it leased is forgotten.
  void Started(int64_t update);
  // Also for a batch that was scored anew, whose leases end.
  void Opened(int64_t update, const v1::ModelVersion& pm);
  void Leased(const v1::PromptLease& lease, int64_t policy_version,
              absl::Time now, absl::Time lease_end);
  // `rollout` is in the journal.
  void Stored(const v1::Rollout& rollout);
  // `ack` leaves the service.
  void Answered(const v1::Rollout& rollout, const v1::RolloutAck& ack);
  // The same for a rollout that is wrong on purpose.
  void AnsweredForgery(const v1::RolloutAck& ack);
  void Trained(int64_t update, const std::vector<v1::Rollout>& batch);
  // A checkpoint holds what all updates until this one made.
  void Saved(int64_t update);

  int64_t num_trained() const { return num_trained_; }
  // Updates that were made again after a crash.
  int64_t num_made_again() const { return num_made_again_; }
  // How many of them were so many versions old.
  const std::map<int64_t, int64_t>& num_by_staleness() const {
    return num_by_staleness_;
  }

 private:
  static constexpr int64_t kNone = -1;
  struct Slot {
    absl::Time lease_end = absl::InfinitePast();
    int32_t last_attempt = 0;
    int64_t stored = kNone;        // sample
    int64_t acknowledged = kNone;  // sample
  };
  struct Batch {
    v1::ModelVersion pm;
    bool open = false;
    std::vector<Slot> slots;
    // Samples that were trained on, if it was.
    std::vector<int64_t> trained;
  };

  void Require(bool holds, const char* rule) {
    if (!holds && violation_.empty()) violation_ = rule;
  }
  Slot& At(const std::string& rollout_id);
  // Whether `slot` could be leased by somebody with a good policy.
  static bool IsFree(const Slot& slot, absl::Time now) {
    return slot.stored == kNone && slot.lease_end <= now;
  }
  void RequireOldestFirst(int64_t update, size_t index, int64_t policy_version,
                          absl::Time now);
  void CheckSample(int64_t update, size_t index, const Batch& batch,
                   const v1::Rollout& rollout);

  const size_t size_;
  const int64_t max_staleness_;
  std::string violation_;
  int64_t next_update_ = 1;
  int64_t saved_ = 0;
  std::map<int64_t, Batch> batches_;  // by update, after the checkpoint
  std::vector<int64_t> used_by_;      // by sample: its update; 0: none
  int64_t num_trained_ = 0;
  int64_t num_made_again_ = 0;
  std::map<int64_t, int64_t> num_by_staleness_;
};

}  // namespace rlhf
