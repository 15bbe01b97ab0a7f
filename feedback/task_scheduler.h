// Which worker gets which task, and whose answer counts: a pure state machine,
// without clock, threads or files.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rlhf/v1/common.pb.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// A prompt with two responses that somebody should compare.
struct Task {
  // Hash of prompt, responses and versions, so that equal tasks have equal
  // names.
  std::string task_id;
  v1::Prompt prompt;
  std::string response_a;
  std::string response_b;
  int64_t policy_version_a = 0;
  int64_t policy_version_b = 0;
  v1::TaskKind kind = v1::HELPFUL;
  // How the responses were sampled; unset: not known.
  v1::SamplingRecord sampling;
  // The PM that served when the task was made; 0: none, or not known.
  int64_t pm_version = 0;
  // The saved answer that its dialogue goes on from; empty: none.
  std::string carried_on_from;
  // A is known to be right. Nothing that the worker sees tells so.
  bool gold = false;
  // B is shown on the left. Set for the worker who gets the task.
  bool shown_swapped = false;
  // How long the worker who answers has had it, and whether no place is left
  // for the answer. Set by Claim.
  absl::Duration since_given = absl::ZeroDuration();
  bool extra = false;
};

// A task that was given to somebody, as it goes on after a restart.
struct OpenTask {
  struct Holder {
    // When the worker first got it.
    absl::Time given = absl::InfinitePast();
    // Until when it is that worker's; InfinitePast: the lease ended.
    absl::Time lease_end = absl::InfinitePast();
  };

  Task task;
  // Whose own it is; empty: anybody's.
  std::string owner;
  // Everybody who ever got it, by worker.
  std::map<std::string, Holder> holders;
  // Whose answers fill its places, and whose found none.
  std::set<std::string> answered_by;
  std::set<std::string> extra_by;
  // Comparisons in the log before it was first given: answers come after.
  int64_t num_before = 0;
};

// A response and the version of the policy that gave it.
struct VersionedResponse {
  std::string text;
  int64_t policy_version = 0;
};

// `position` tells apart tasks whose prompts and responses are equal.
Task MakeTask(v1::Prompt prompt, VersionedResponse a, VersionedResponse b,
              int64_t position);

// The coin that decides whether B is shown on the left: it falls anew for each
// worker, and the same way whenever that worker sees the task. Nobody foresees
// it who does not know `secret`: a worker who did would know A, which is right
// in a gold question.
bool IsShownSwapped(absl::string_view task_id, absl::string_view worker_id,
                    absl::string_view secret);

// A task waits for `overlap` answers, each of another worker. Each place for an
// answer is open, then leased to a worker, then claimed by an answer, then
// filled; when all are, the task is full. A lease that expires opens its place
// again, for another worker first; whoever held it may still answer, and takes
// a place that is not claimed. So a task has at most `overlap` answers that
// fill a place, and with `max_comparisons` exactly so many are given: what is
// answered, claimed and leased never exceeds it. What was imported is no
// answer.
//
// A late answer that no place is left for, because the task is full or because
// the run or its worker has all answers, is extra: it is saved, and no limit
// counts it. So a task that is full waits for who held it and has not answered,
// until kMaxFull newer ones are full. Who gave an extra answer to a task that
// is not full is asked again only where nothing else is ready. A task of one's
// own gets no extra answer: nobody else can have filled its place.
//
// Some tasks are one worker's own: no other gets them, and that worker gets no
// other before it is answered.
//
// Thread-compatible.
class TaskScheduler {
 public:
  struct Options {
    // Tasks kept ready.
    int ready_tasks = 16;
    absl::Duration lease = absl::Minutes(10);
    // Answers at our own tasks. 0: no limit.
    int64_t max_comparisons = 0;
    // Answers wanted for each task.
    int overlap = 1;
    // 0: no limit.
    int64_t max_answers_per_worker = 0;
    // For IsShownSwapped.
    std::string secret;
  };

  // Workers that may hold a task at the same time.
  static constexpr size_t kMaxLeases = 10'000;
  // Tasks that have their answers and may get extra ones.
  static constexpr size_t kMaxFull = 1'000;

  // `num_comparisons`: in the log, all of them answers unless
  // AddEarlierOthers says otherwise.
  TaskScheduler(const Options& options, int64_t num_comparisons);

  // So many of num_comparisons fill no place of our own tasks: they were
  // imported, or are extra.
  void AddEarlierOthers(int64_t num_comparisons);

  // Counts answers from before for max_answers_per_worker, extra ones not among
  // them; they are part of num_comparisons already.
  void AddEarlierAnswers(const std::string& worker_id, int64_t num_answers);

  // How many more tasks should be added.
  int NumWanted() const;

  // Returns false, and drops the task, if nothing is wanted or the task is
  // there already. `answered_by`: workers whose answers are in the log already,
  // fewer than `overlap`.
  bool Add(Task task, std::set<std::string> answered_by = {});

  // The task, if it was given to somebody and may get answers still.
  std::optional<OpenTask> FindOpen(const std::string& task_id) const;

  // Takes up what FindOpen told before a restart, whether or not tasks are
  // wanted; times are those of this process. Dropped: a task that everybody who
  // was given it has answered, if it has its answers; or that is there already,
  // or whose owner owns another. A lease is
  // restored while there is a place for it and its worker may and does hold no
  // other: leave it out where a later one of the worker is to come.
  void Restore(OpenTask open, absl::Time now);

  // Forgets that the worker was given tasks that are not answered: the worker's
  // own are dropped, leases end, and a late answer is refused. An answer that
  // is being saved is left alone. Returns the names of these tasks.
  std::vector<std::string> Forget(const std::string& worker_id);

  // The same of the tasks, each a worker's own, whose dialogues go on from the
  // answer `comparison_id`.
  std::vector<std::string> ForgetCarriedOn(const std::string& comparison_id);

  // Whether Lease would give the worker a task that is held or owned
  // already.
  bool HasTaskOf(const std::string& worker_id) const;

  // Whether one of the tasks is the worker's own.
  bool HasOwn(const std::string& worker_id) const {
    return own_of_.contains(worker_id);
  }

  // The task that `worker_id` should do now. A worker who asks again before
  // answering gets the same task and a fresh lease.
  //
  // Errors:
  //   Unavailable       nothing is ready; ask again later
  //   OutOfRange        the log is complete; there will be no further task
  //   PermissionDenied  the worker has given all answers that one may give
  absl::StatusOr<Task> Lease(const std::string& worker_id, absl::Time now);

  // The same with a new task for this worker alone, who has none now. Errors as
  // Lease; Unavailable also for a task that is there or was answered already.
  absl::StatusOr<Task> LeaseOwn(const std::string& worker_id, Task task,
                                absl::Time now);

  // Whether the worker may have one more task now. Errors: as Lease.
  absl::Status CheckMayLease(const std::string& worker_id, absl::Time now);

  // Reserves a place of the task for an answer of `worker_id`, until Finish; a
  // late answer that finds none is told to be extra.
  //
  // Errors:
  //   NotFound            no such task
  //   PermissionDenied    the worker never held it
  //   FailedPrecondition  the worker has answered it; or it was answered long
  //                       ago and is gone; or it is the worker's own, and the
  //                       log or the worker's share of it is complete without
  //                       this one
  //   Unavailable         an answer is being saved right now; try again
  absl::StatusOr<Task> Claim(const std::string& task_id,
                             const std::string& worker_id, absl::Time now);

  // Ends a claim. `saved`: the answer is in the log; else the task is as it was
  // before. `is_extra`: whether it is extra there, if that may not be as it was
  // claimed. Returns the names of the tasks that FindOpen tells otherwise of
  // from now on.
  std::vector<std::string> Finish(const std::string& task_id,
                                  const std::string& worker_id, bool saved,
                                  std::optional<bool> is_extra = std::nullopt);

  // Comparisons entered the log by another way.
  void AddImported(int64_t num_comparisons);

  // Opens the places of expired leases again. The other methods do so first
  // where it matters.
  void ExpireLeases(absl::Time now);

  // Tasks with a place that is open to anybody.
  int num_ready() const { return static_cast<int>(ready_.size()); }
  int num_leased() const { return static_cast<int>(holder_of_.size()); }
  int64_t num_comparisons() const { return num_comparisons_; }
  // Those that count for max_comparisons.
  int64_t num_answers() const { return num_comparisons_ - num_others_; }
  bool complete() const;

 private:
  // Where a claim returns to if it is not saved.
  struct Reserved {
    // Whose lease it took; empty: an open place, or none.
    std::string lease_of;
    absl::Time expires;
    bool extra = false;
  };
  struct Entry {
    Task task;
    // Whose own it is; empty: anybody's.
    std::string owner;
    int num_wanted = 1;
    // By worker: until when.
    std::map<std::string, absl::Time> leases;
    std::map<std::string, Reserved> claims;
    std::set<std::string> answered_by;
    std::set<std::string> extra_by;
    // Everybody who ever held it, since when.
    std::map<std::string, absl::Time> seen_by;
    // Comparisons when it was first given.
    int64_t num_before = 0;
    // As counted in ready_ and num_open_.
    int num_counted_open = 0;
  };

  // Answers that a task of `owner`, or of nobody, wants.
  int NumWantedOf(const std::string& owner) const;
  static int NumOpen(const Entry& entry);
  static bool IsFull(const Entry& entry);
  static bool HasAnswered(const Entry& entry, const std::string& worker_id);
  // It has its answers, and nobody is left who may give another.
  static bool IsOver(const Entry& entry);
  // Puts the task among the ready ones, or takes it from there, as its open
  // places say. Tasks that come back have waited longest: `first`.
  void UpdateReady(Entry& entry, bool first);
  // Answers that there will be if every lease and claim is answered.
  int64_t NumPromised() const;
  bool HasRoom() const;
  bool MayAnswerMore(const std::string& worker_id, int64_t num_held) const;
  // The oldest ready task; those that the worker let expire come last. Null if
  // none is ready for this worker.
  Entry* PickReady(const std::string& worker_id);
  // The leases of `open` that can go on, those that end last first.
  void RestoreLeases(const OpenTask& open, Entry& entry, absl::Time now);
  // The worker's lease of the task, if there is one, becomes an open place.
  void DropLease(const std::string& worker_id, Entry& entry);
  absl::Status CheckLease(const std::string& worker_id) const;
  Task GiveTo(const std::string& worker_id, Entry& entry, absl::Time now);
  // The task, if the worker may answer it at all; errors as Claim.
  absl::StatusOr<Entry*> FindForAnswer(const std::string& task_id,
                                       const std::string& worker_id);
  // The place that the worker's answer takes; errors as Claim.
  absl::StatusOr<Reserved> Reserve(const Entry& entry,
                                   const std::string& worker_id) const;
  // The same for a worker whose lease ended; nullopt: none is left.
  absl::StatusOr<std::optional<Reserved>> ReserveLate(
      const Entry& entry, const std::string& worker_id) const;
  // Opens the place again that was reserved for the worker's answer.
  void GiveBack(Entry& entry, const std::string& worker_id,
                const Reserved& reserved);
  std::vector<std::string> EndSaved(Entry& entry, const std::string& worker_id,
                                    bool extra);
  // Keeps a task that is full now, and drops the oldest if there are too many:
  // returns its name.
  std::vector<std::string> KeepFull(const std::string& task_id);
  // Its answers are known; what it was is not any more.
  void DropAnswered(const std::string& task_id);

  const Options options_;
  // In the log, and how many of them fill no place: imported or extra.
  int64_t num_comparisons_;
  int64_t num_others_ = 0;
  int64_t num_claimed_ = 0;
  // Open places of the ready tasks.
  int64_t num_open_ = 0;
  std::map<std::string, Entry> entries_;
  // Ready tasks, oldest first.
  std::list<std::string> ready_;
  // worker_id -> the task it holds, and the task of its own.
  std::map<std::string, std::string> holder_of_;
  std::map<std::string, std::string> own_of_;
  // Saved and claimed answers, without extra ones.
  std::map<std::string, int64_t> num_answers_of_;
  // Tasks of entries_ that have their answers, in the order in which they were
  // full.
  std::deque<std::string> full_;
  // The last tasks that are gone, so that a late answer is told the reason.
  std::deque<std::string> answered_order_;
  std::set<std::string> answered_;
};

}  // namespace rlhf
