// Lets the appends of many threads share one commit: while one thread writes,
// the others queue up, and the first of them then writes for all that wait.
// (Group commit; a disk sync costs the same for one row as for a hundred.)
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/mutex.h"
#include "feedback/append_plan.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

struct AppendRequest {
  absl::Span<const v1::Comparison> comparisons;
  // Set by the committer.
  absl::StatusOr<std::vector<AppendedComparison>> result =
      absl::UnknownError("not committed yet");
};

// Thread-safe.
class CommitQueue {
 public:
  // Commits the requests and sets their results.
  using Committer = std::function<void(absl::Span<AppendRequest* const>)>;

  // A group ends before it holds more than `max_comparisons`, but has at least
  // one request. `commit` is called by one thread at a time.
  CommitQueue(size_t max_comparisons, Committer commit);

  // Blocks until `request` is committed, by this thread or another. Requests
  // are committed in the order in which they come.
  void Commit(AppendRequest* request);

  // Requests that are not committed yet, those under way included.
  size_t num_waiting() const;

 private:
  struct Waiter {
    AppendRequest* request;
    bool done = false;
    CondVar wake;
  };

  // The requests that the first in the queue commits.
  std::vector<AppendRequest*> NextGroup() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(size_t num_requests) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_comparisons_;
  const Committer commit_;
  mutable Mutex mutex_;
  // As many as threads wait. The first commits, or is about to.
  std::deque<Waiter*> waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
