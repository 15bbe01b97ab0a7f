// Where tasks go out and answers come in: the scheduler and the store as one.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "feedback/continuations.h"
#include "feedback/feedback_metrics.h"
#include "feedback/preference_store.h"
#include "feedback/task_scheduler.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// What the worker chose, by the sides on screen.
enum class ShownChoice { kLeftBetter, kRightBetter, kTie, kBothBad, kSkip };

struct Answer {
  std::string task_id;
  std::string comparison_id;
  std::string worker_id;
  ShownChoice choice = ShownChoice::kTie;
  // 1 to 3 for a better side, else 0.
  int strength = 0;
  double worker_seconds = 0;
  std::string skip_reason;
  // "page" or "crowd".
  std::string source;
};

// Thread-safe.
class AnswerDesk {
 public:
  // Nothing is owned; everything must outlive the desk.
  AnswerDesk(const TaskScheduler::Options& options, PreferenceStore* store,
             const Clock* clock, FeedbackMetrics* metrics);

  // Errors: as TaskScheduler::Lease; Unavailable also while the worker's own
  // dialogue waits for its next responses.
  absl::StatusOr<Task> Lease(const std::string& worker_id);

  // Saves the answer; durable when it returns. The same answer again is
  // acknowledged again.
  //
  // Errors: as TaskScheduler::Claim and PreferenceStore::Append.
  absl::StatusOr<PreferenceStore::Appended> Submit(const Answer& answer);

  // Asks for the next turn of a dialogue whose answer is saved. Its task goes
  // to that worker. Errors: as Continuations::Add.
  absl::Status CarryOn(const NextTurn& turn);

  // The dialogue that should get its responses next, if one waits, until
  // FinishContinuation: with the task made of it, or without if there will be
  // none.
  std::optional<Continuation> NextContinuation() const;
  void FinishContinuation(const Continuation& continuation,
                          std::optional<Task> task);

  // Saves comparisons from elsewhere, all or none.
  // Errors: as PreferenceStore::AppendAll.
  absl::StatusOr<std::vector<PreferenceStore::Appended>> Import(
      const std::vector<v1::Comparison>& comparisons);

  // Offers tasks; those that are not wanted are dropped.
  void Add(std::vector<Task> tasks);

  // Blocks until tasks are wanted or a dialogue waits, `stop` is requested or
  // `timeout` passed; returns how many tasks are wanted.
  int WaitForDemand(const std::stop_token& stop, absl::Duration timeout);

  struct TaskStats {
    int num_ready = 0;
    int num_leased = 0;
    // 0: no limit.
    int64_t max_comparisons = 0;
    bool complete = false;
  };
  TaskStats GetTaskStats() const;
  absl::Duration lease() const { return options_.lease; }

 private:
  // The task of the worker's own dialogue. Errors: NotFound if none goes on,
  // else as Lease.
  absl::StatusOr<Task> LeaseDialogue(const std::string& worker_id,
                                     absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Task> Claim(const Answer& answer);
  void Finish(const std::string& task_id, bool saved);
  void Remember(const Task& task, const Answer& answer);
  void UpdateGauges() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TaskScheduler::Options options_;
  PreferenceStore* const store_;
  const Clock* const clock_;
  FeedbackMetrics* const metrics_;

  mutable Mutex mutex_;
  CondVar demand_;
  TaskScheduler scheduler_ ABSL_GUARDED_BY(mutex_);
  Continuations continuations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
