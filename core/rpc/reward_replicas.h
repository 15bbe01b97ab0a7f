// Several reward servers of one run as one: whom to ask next, and what all of
// them together hold. Decisions only; the calls are in reward_client.h.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "rlhf/v1/reward.pb.h"

namespace rlhf {

// Round robin that passes by who did not answer. Not thread-safe.
class ReplicaTurns {
 public:
  // Who did not answer is asked last for this long, and for twice as long each
  // time that it is silent again, up to kAvoidMost.
  static constexpr absl::Duration kAvoid = absl::Seconds(5);
  static constexpr absl::Duration kAvoidMost = absl::Minutes(5);

  // `num_replicas` is at least 1.
  explicit ReplicaTurns(size_t num_replicas) : silences_(num_replicas) {}

  // Every replica once, in the order in which they should be asked. The next
  // call begins one further.
  std::vector<size_t> Next(absl::Time now);

  // What came of asking one: Unavailable and DeadlineExceeded mean that it did
  // not answer.
  void Note(size_t replica, const absl::Status& result, absl::Time now);

 private:
  struct Silence {
    absl::Time until = absl::InfinitePast();
    absl::Duration length;  // zero once it answers
  };
  std::vector<Silence> silences_;
  size_t next_ = 0;
};

// Whether another replica may do what this one could not: it did not answer, is
// full, or does not hold the PM version.
bool AnotherMayScore(const absl::Status& status);

// Of two replicas' errors the one that tells what to do: a full queue (come
// again) before NotFound (nobody who answers holds the version: pin another)
// before one that did not answer.
absl::Status MoreTelling(const absl::Status& a, const absl::Status& b);

// The status of replicas of one registry, each of which follows it in its own
// time. `statuses` has one at least.
//
//   serving   of the PMs that serve at one of them, the one that most hold as
//             serving or previous, so that a batch is not pinned to a PM that
//             only the first of them has loaded; of equals the one that more
//             serve, then the newer
//   previous  of the others, the one that most hold
//   canary    only if all have it
//   shadow    the one with the most dialogues: each sees a part of them
//
// Swaps are those of the replica that made the fewest; an error is the first
// that one of them tells.
v1::RewardStatus MergeStatuses(absl::Span<const v1::RewardStatus> statuses);

}  // namespace rlhf
