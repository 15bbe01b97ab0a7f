// Where tasks go out and answers come in: the scheduler and the store as one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
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
#include "feedback/open_work.h"
#include "feedback/preference_store.h"
#include "feedback/resumed_tasks.h"
#include "feedback/started_tasks.h"
#include "feedback/task_scheduler.h"
#include "feedback/worker_book.h"
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
  std::string interface_version;
  std::string comment;
  bool flagged = false;
  // The better response, rewritten.
  std::string edited_response;
};

// Thread-safe.
class AnswerDesk {
 public:
  // The pointers are not owned; everything must outlive the desk. Without a
  // book there are no gold questions.
  AnswerDesk(const TaskScheduler::Options& options, PreferenceStore* store,
             const Clock* clock, FeedbackMetrics* metrics,
             std::unique_ptr<WorkerBook> book = nullptr);

  // Takes up what the log tells of earlier runs, workers' answers and tasks
  // that want more answers, and what people had in hand, of which
  // `open_work_folder` tells; that is kept there from now on, unless it is
  // empty. Once, before anything else. Errors: as PreferenceStore::Read and
  // OpenWork::Open.
  absl::Status ReadLog(const std::string& open_work_folder = "");

  // The worker's own dialogue, if one goes on, comes before all others. A gold
  // question comes as a task like any other.
  //
  // Errors: as TaskScheduler::Lease; PermissionDenied for a paused worker;
  // Unavailable also while the worker's own dialogue waits for its next
  // responses.
  absl::StatusOr<Task> Lease(const std::string& worker_id);

  // Saves the answer; durable when it returns. The seconds it says are at most
  // those that the worker has had the task. The same answer again is
  // acknowledged again. What a paused worker has begun may still be handed in.
  // A late answer that no place is left for is saved as an extra one.
  //
  // Errors: as TaskScheduler::Claim and PreferenceStore::Append;
  // InvalidArgument for an edited response in a red-team task.
  absl::StatusOr<PreferenceStore::Appended> Submit(const Answer& answer);

  // Asks for the next turn of a dialogue whose answer is saved and counts. Its
  // task goes to that worker. An answer that is named is looked for in the log:
  // it may be of before a restart, or retracted. Errors: as Continuations::Add
  // and PreferenceStore::Find.
  absl::Status CarryOn(const NextTurn& turn);

  // The dialogue that should get its responses next, if one waits, until
  // FinishContinuation: with the task made of it, or without if there will be
  // none.
  std::optional<Continuation> NextContinuation() const;
  void FinishContinuation(const Continuation& continuation,
                          std::optional<Task> task);

  // Drops what the worker has in hand, and its files: the worker was retracted.
  // An answer that is being saved is left alone. Errors: as OpenWork::Apply;
  // files may still name the worker then. They are tried again with the next
  // change, or when this is called again.
  absl::Status ForgetWorker(const std::string& worker_id);

  // The same of answers that were retracted: drops the dialogues that go on
  // from them, whether they wait or are tasks by now.
  absl::Status ForgetAnswers(const std::vector<std::string>& comparison_ids);

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
    // Answers at our own tasks, and how many are wanted (0: no limit).
    int64_t num_answers = 0;
    int64_t max_comparisons = 0;
    bool complete = false;
  };
  TaskStats GetTaskStats() const;
  absl::Duration lease() const { return options_.lease; }

  // A person pauses a worker, or lets the worker go on and qualify anew.
  // Durable when it returns; nobody but who else pauses waits for that.
  // Errors: as WriteFileAtomically; then nobody is let back in, and whoever was
  // to be paused is, until this object is destroyed.
  absl::Status SetPaused(const std::string& worker_id, bool paused,
                         const std::string& by, const std::string& reason);

  // Whether the worker has answered, was spoken of by a person, or has a task
  // in hand.
  bool Knows(const std::string& worker_id) const;

  // For the requester.
  std::vector<WorkerStatus> Workers() const;
  AgreementView Agreement() const;
  std::vector<CopySuspicion> Copies() const;

 private:
  absl::StatusOr<Task> Claim(const Answer& answer);
  void Remember(const Task& task, const Answer& answer);
  // The task that the turn goes on from, as its answer in the log tells;
  // nullopt: the worker has none there.
  absl::StatusOr<std::optional<Task>> FindAnswered(const NextTurn& turn) const;
  // Ends the claim of `comparison`'s worker, which is in the log if `seq` > 0.
  void Finish(const std::string& task_id, v1::Comparison comparison,
              int64_t seq);
  // ReadLog, with what the files told.
  absl::Status ReadLogBeside(OpenWork::Found found);
  // Puts what the log and the files told into the scheduler.
  // Errors: as PreferenceStore::Find.
  absl::Status Resume(ResumedTasks tasks, StartedTasks started,
                      const std::vector<v1::WaitingTurn>& turns)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ResumeTasks(ResumedTasks tasks, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ResumeTurns(const std::vector<v1::WaitingTurn>& turns,
                           absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the log has it as retracted.
  absl::StatusOr<bool> IsRetractedAnswer(
      const std::string& comparison_id) const;
  absl::Status AddTurn(const NextTurn& turn)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As AddTurn, of an answer that only the log tells of.
  absl::Status AddTurnOfLog(const NextTurn& turn)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Brings the files of the tasks and dialogues in `touched_` up to date, in
  // one go for all that wait for it: files are slow while their file system
  // commits, and everybody needs the desk. To be called after a change and
  // before anybody is told of it; whoever changed nothing need not wait for the
  // files of others. What fails stays in `touched_`.
  absl::Status KeepOpenWork() ABSL_LOCKS_EXCLUDED(keeping_, mutex_);
  OpenWork::Changes TakeTouched() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Task> LeaseLocked(const std::string& worker_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddToBook(const v1::Comparison& comparison)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Where the answer is in the log, also if an earlier commit of it was made
  // and not acknowledged; 0 if it is not, or was retracted.
  absl::StatusOr<int64_t> SavedSeq(
      const absl::StatusOr<PreferenceStore::Appended>& appended,
      const std::string& comparison_id) const;
  // Names of tasks are made of what the worker sees; with the run's secret they
  // tell nobody which is a gold question's.
  std::string KeyedTaskId(const std::string& task_id) const;
  WorkerLedger CopyOfLedger() const;
  absl::StatusOr<PreferenceStore::Appended> AcknowledgeAgain(
      const Answer& answer, const absl::Status& why_not_claimed);
  void UpdateGauges() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const TaskScheduler::Options options_;
  PreferenceStore* const store_;
  const Clock* const clock_;
  FeedbackMetrics* const metrics_;

  mutable Mutex mutex_;
  CondVar demand_;
  TaskScheduler scheduler_ ABSL_GUARDED_BY(mutex_);
  Continuations continuations_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<WorkerBook> book_ ABSL_PT_GUARDED_BY(mutex_);
  // What was changed since the files were brought up to date.
  struct Touched {
    std::set<std::string> task_ids;
    std::set<std::string> worker_ids;  // whose dialogue
  };
  Touched touched_ ABSL_GUARDED_BY(mutex_);

  // Held while what persons say of workers is written.
  Mutex pausing_ ABSL_ACQUIRED_BEFORE(mutex_);

  Mutex keeping_ ABSL_ACQUIRED_BEFORE(mutex_);
  OpenWork open_work_ ABSL_GUARDED_BY(keeping_);
};

}  // namespace rlhf
