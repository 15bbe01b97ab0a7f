// Which worker gets which task, and whose answer counts: a pure state machine,
// without clock, threads or files.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

// A prompt with two responses that somebody should compare.
struct Task {
  // Hash of everything below, so that equal tasks have equal names.
  std::string task_id;
  v1::Prompt prompt;
  std::string response_a;
  std::string response_b;
  int64_t policy_version_a = 0;
  int64_t policy_version_b = 0;
  // B is shown on the left. Follows from the task_id: a coin that falls the
  // same way for everybody who sees the task.
  bool shown_swapped = false;
};

// A response and the version of the policy that gave it.
struct VersionedResponse {
  std::string text;
  int64_t policy_version = 0;
};

// `position` tells apart tasks whose prompts and responses are equal.
Task MakeTask(v1::Prompt prompt, VersionedResponse a, VersionedResponse b,
              int64_t position);

// A task is ready, then leased to one worker, then claimed by an answer, then
// gone. A lease that expires makes it ready again, for another worker first;
// whoever held it may still answer until another answer was claimed. So a task
// gets at most one answer, and with `max_comparisons` the log ends at exactly
// that number: what is in the log, claimed and leased never exceeds it.
//
// Thread-compatible.
class TaskScheduler {
 public:
  struct Options {
    // Tasks kept ready.
    int ready_tasks = 16;
    absl::Duration lease = absl::Minutes(10);
    // 0: no limit.
    int64_t max_comparisons = 0;
  };

  // Workers that may hold a task at the same time.
  static constexpr size_t kMaxLeases = 10'000;

  TaskScheduler(const Options& options, int64_t num_comparisons);

  // How many more tasks should be added.
  int NumWanted() const;

  // Returns false, and drops the task, if nothing is wanted or the task is
  // there already.
  bool Add(Task task);

  // The task that `worker_id` should do now. A worker who asks again before
  // answering gets the same task and a fresh lease.
  //
  // Errors:
  //   Unavailable  nothing is ready; ask again later
  //   OutOfRange   the log is complete; there will be no further task
  absl::StatusOr<Task> Lease(const std::string& worker_id, absl::Time now);

  // Whether the worker holds a task.
  bool HasTaskOf(const std::string& worker_id) const {
    return holder_of_.contains(worker_id);
  }

  // The same with a new task for this worker, who has none now. Errors as
  // Lease.
  absl::StatusOr<Task> LeaseOwn(const std::string& worker_id, Task task,
                                absl::Time now);

  // Reserves the task for an answer of `worker_id`, until Finish.
  //
  // Errors:
  //   NotFound            no such task
  //   PermissionDenied    the worker never held it
  //   FailedPrecondition  somebody else's answer counted, or the log is
  //                       complete without this answer
  //   Unavailable         an answer is being saved right now; try again
  absl::StatusOr<Task> Claim(const std::string& task_id,
                             const std::string& worker_id, absl::Time now);

  // Ends a claim. `saved`: the answer is in the log; else the task is as it was
  // before.
  void Finish(const std::string& task_id, bool saved);

  // Comparisons entered the log by another way.
  void AddImported(int64_t num_comparisons);

  // Makes the tasks of expired leases ready again. The other methods do so
  // first where it matters.
  void ExpireLeases(absl::Time now);

  int num_ready() const { return static_cast<int>(ready_.size()); }
  int num_leased() const { return static_cast<int>(holder_of_.size()); }
  int64_t num_comparisons() const { return num_comparisons_; }
  bool complete() const;

 private:
  enum class State { kReady, kLeased, kClaimed };
  struct Entry {
    Task task;
    State state = State::kReady;
    // Where a claim returns to if it is not saved.
    State before_claim = State::kReady;
    // Empty if nobody holds it.
    std::string worker_id;
    absl::Time expires;
    // Everybody who ever held it.
    std::set<std::string> workers;
  };

  // Comparisons that the log will have if every lease and claim is answered.
  int64_t NumPromised() const;
  bool HasRoom() const;
  // The oldest ready task, those that the worker let expire last. Null if none
  // is ready.
  Entry* PickReady(const std::string& worker_id);
  absl::Status CheckComplete() const;
  Task GiveTo(const std::string& worker_id, Entry& entry, absl::Time now);
  void RememberAnswered(const std::string& task_id);

  const Options options_;
  int64_t num_comparisons_;
  int64_t num_claimed_ = 0;
  std::map<std::string, Entry> entries_;
  // Ready tasks, oldest first.
  std::list<std::string> ready_;
  // worker_id -> the task it holds.
  std::map<std::string, std::string> holder_of_;
  // The last answered tasks, so that a late answer is told the reason.
  std::deque<std::string> answered_order_;
  std::set<std::string> answered_;
};

}  // namespace rlhf
