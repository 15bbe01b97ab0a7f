#include "feedback/answer_desk.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "feedback/access/secrets.h"

namespace rlhf {
namespace {

// In a red-team task the worker picks the worse response.
v1::Choice StoredChoice(ShownChoice choice, bool shown_swapped,
                        v1::TaskKind kind) {
  switch (choice) {
    case ShownChoice::kLeftBetter:
    case ShownChoice::kRightBetter: {
      const bool picked_a =
          (choice == ShownChoice::kLeftBetter) != shown_swapped;
      return picked_a != (kind == v1::RED_TEAM) ? v1::A_BETTER : v1::B_BETTER;
    }
    case ShownChoice::kTie:
      return v1::TIE;
    case ShownChoice::kBothBad:
      return v1::BOTH_BAD;
    case ShownChoice::kSkip:
      break;
  }
  return v1::SKIPPED;
}

v1::Comparison ToComparison(const Task& task, const Answer& answer) {
  v1::Comparison comparison;
  comparison.set_comparison_id(answer.comparison_id);
  *comparison.mutable_prompt() = task.prompt;
  comparison.set_response_a(task.response_a);
  comparison.set_response_b(task.response_b);
  comparison.set_choice(
      StoredChoice(answer.choice, task.shown_swapped, task.kind));
  comparison.set_strength(answer.strength);
  comparison.set_worker_id(answer.worker_id);
  comparison.set_shown_swapped(task.shown_swapped);
  comparison.set_sides_known(true);
  comparison.set_policy_version_a(task.policy_version_a);
  comparison.set_policy_version_b(task.policy_version_b);
  // The service's own clock bounds what the client says.
  comparison.set_worker_seconds(
      std::min(answer.worker_seconds, absl::ToDoubleSeconds(task.since_given)));
  comparison.set_source(task.gold ? kGoldSource : answer.source);
  comparison.set_skip_reason(answer.skip_reason);
  if (task.sampling.max_new_tokens() > 0) {
    *comparison.mutable_sampling() = task.sampling;
  }
  comparison.set_pm_version(task.pm_version);
  comparison.set_task_kind(task.kind);
  comparison.set_interface_version(answer.interface_version);
  comparison.set_comment(answer.comment);
  comparison.set_flagged(answer.flagged);
  comparison.set_edited_response(answer.edited_response);
  comparison.set_extra(task.extra);
  return comparison;
}

// Whether `stored` is this answer, saved earlier. The task may be forgotten by
// now; what the worker said is enough to tell. Of a retracted one that is not
// known any more, and nothing brings it back.
bool IsSavedAnswer(const v1::Comparison& stored, const Answer& answer) {
  if (stored.choice() == v1::RETRACTED) return true;
  return stored.worker_id() == answer.worker_id &&
         stored.choice() == StoredChoice(answer.choice, stored.shown_swapped(),
                                         stored.task_kind()) &&
         stored.strength() == answer.strength &&
         stored.skip_reason() == answer.skip_reason &&
         stored.comment() == answer.comment &&
         stored.flagged() == answer.flagged &&
         stored.edited_response() == answer.edited_response;
}

}  // namespace

AnswerDesk::AnswerDesk(const TaskScheduler::Options& options,
                       PreferenceStore* store, const Clock* clock,
                       FeedbackMetrics* metrics,
                       std::unique_ptr<WorkerBook> book)
    : options_(options),
      store_(store),
      clock_(clock),
      metrics_(metrics),
      scheduler_(options, store->GetTotals().num_comparisons),
      book_(book != nullptr
                ? std::move(book)
                : std::make_unique<WorkerBook>(WorkerBook::Options())) {}

std::string AnswerDesk::KeyedTaskId(const std::string& task_id) const {
  if (options_.secret.empty()) return task_id;
  return HmacSha256Hex(options_.secret, "task/" + task_id).substr(0, 16);
}

absl::StatusOr<Task> AnswerDesk::LeaseLocked(const std::string& worker_id) {
  RLHF_RETURN_IF_ERROR(book_->CheckMayWork(worker_id));
  const absl::Time now = clock_->Monotonic();
  if (!scheduler_.HasTaskOf(worker_id)) {
    if (continuations_.IsAwaited(worker_id, now)) {
      return absl::UnavailableError(
          "the next answers of your dialogue are being written");
    }
    // Who may have no task now keeps the dialogue.
    RLHF_RETURN_IF_ERROR(scheduler_.CheckMayLease(worker_id, now));
    if (std::optional<Task> next = continuations_.Take(worker_id)) {
      return scheduler_.LeaseOwn(worker_id, *std::move(next), now);
    }
    if (std::optional<Task> gold = book_->NextGold(worker_id)) {
      return scheduler_.LeaseOwn(worker_id, *std::move(gold), now);
    }
  }
  return scheduler_.Lease(worker_id, now);
}

absl::StatusOr<Task> AnswerDesk::Lease(const std::string& worker_id) {
  absl::StatusOr<Task> task;
  {
    MutexLock lock(&mutex_);
    task = LeaseLocked(worker_id);
    if (task.ok()) {
      touched_.task_ids.insert(task->task_id);
      touched_.worker_ids.insert(worker_id);
    }
    UpdateGauges();
  }
  if (task.ok()) KeepOpenWork().IgnoreError();
  return task;
}

absl::StatusOr<Task> AnswerDesk::Claim(const Answer& answer) {
  MutexLock lock(&mutex_);
  auto task =
      scheduler_.Claim(answer.task_id, answer.worker_id, clock_->Monotonic());
  UpdateGauges();
  return task;
}

void AnswerDesk::AddToBook(const v1::Comparison& comparison) {
  book_->Add(comparison);
  if (comparison.extra()) metrics_->extra_answers.Increment();
  if (IsGold(comparison)) {
    const std::optional<bool> right = GoldIsRight(comparison);
    (!right.has_value() ? metrics_->gold_skipped
     : *right           ? metrics_->gold_right
                        : metrics_->gold_wrong)
        .Increment();
  }
}

void AnswerDesk::Finish(const std::string& task_id, v1::Comparison comparison,
                        int64_t seq) {
  const bool saved = seq > 0;
  {
    MutexLock lock(&mutex_);
    for (std::string& changed : scheduler_.Finish(
             task_id, comparison.worker_id(), saved, comparison.extra())) {
      touched_.task_ids.insert(std::move(changed));
    }
    if (saved) {
      comparison.set_seq(seq);
      AddToBook(comparison);
    }
    UpdateGauges();
  }
  KeepOpenWork().IgnoreError();
}

absl::StatusOr<PreferenceStore::Appended> AnswerDesk::AcknowledgeAgain(
    const Answer& answer, const absl::Status& why_not_claimed) {
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                        store_->Find(answer.comparison_id));
  if (!stored.has_value()) {
    metrics_->comparisons_refused.Increment();
    return why_not_claimed;
  }
  if (!IsSavedAnswer(*stored, answer)) {
    metrics_->comparisons_refused.Increment();
    return absl::AlreadyExistsError(
        absl::StrCat("comparison_id \"", answer.comparison_id,
                     "\" was saved before with another answer (seq ",
                     stored->seq(), "): make a new id for a new answer"));
  }
  metrics_->comparisons_duplicate.Increment();
  return PreferenceStore::Appended{
      .seq = stored->seq(), .duplicate = true, .extra = stored->extra()};
}

absl::StatusOr<PreferenceStore::Appended> AnswerDesk::Submit(
    const Answer& answer) {
  const absl::StatusOr<Task> task = Claim(answer);
  // A retry of an answer whose acknowledgement was lost?
  if (!task.ok()) return AcknowledgeAgain(answer, task.status());
  v1::Comparison comparison = ToComparison(*task, answer);
  if (task->kind == v1::RED_TEAM && !answer.edited_response.empty()) {
    Finish(answer.task_id, comparison, 0);
    metrics_->comparisons_refused.Increment();
    return absl::InvalidArgumentError(
        "\"edited_response\" is for helpful tasks: in a red-team task no "
        "answer is made better");
  }
  {
    MutexLock lock(&mutex_);
    comparison.set_worker_group(book_->GroupOf(answer.worker_id));
  }
  const auto appended = store_->Append(comparison);
  // An error only where the answer is in the log: to be sent again.
  const auto seq = SavedSeq(appended, answer.comparison_id);
  // An earlier commit of it may have been made for another place, or for none.
  if (appended.ok()) comparison.set_extra(appended->extra);
  const double seconds = comparison.worker_seconds();
  Finish(answer.task_id, std::move(comparison), seq.value_or(0));
  RLHF_RETURN_IF_ERROR(seq.status());
  if (appended.ok()) {
    // What does not count does not carry a dialogue on.
    if (!appended->extra) Remember(*task, answer);
    metrics_->comparison_duration.Observe(seconds);
  } else if (absl::IsAlreadyExists(appended.status())) {
    metrics_->comparisons_refused.Increment();
  }
  return appended;
}

absl::StatusOr<int64_t> AnswerDesk::SavedSeq(
    const absl::StatusOr<PreferenceStore::Appended>& appended,
    const std::string& comparison_id) const {
  if (!appended.ok()) return 0;
  if (!appended->duplicate) return appended->seq;
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                        store_->Find(comparison_id));
  const bool is_there = stored.has_value() && stored->choice() != v1::RETRACTED;
  return is_there ? appended->seq : 0;
}

void AnswerDesk::Remember(const Task& task, const Answer& answer) {
  // The crowd has nothing to say.
  if (answer.source != "page") return;
  MutexLock lock(&mutex_);
  continuations_.Remember(task, answer.worker_id, answer.comparison_id);
}

absl::StatusOr<std::optional<Task>> AnswerDesk::FindAnswered(
    const NextTurn& turn) const {
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                        store_->Find(turn.comparison_id));
  if (!stored.has_value() || !Counts(*stored) ||
      stored->worker_id() != turn.worker_id || !IsJudgedHere(*stored)) {
    return std::nullopt;
  }
  Task task = MakeTask(stored->prompt(),
                       {stored->response_a(), stored->policy_version_a()},
                       {stored->response_b(), stored->policy_version_b()}, 0);
  task.task_id = turn.task_id;
  task.shown_swapped = stored->shown_swapped();
  return task;
}

absl::Status AnswerDesk::AddTurn(const NextTurn& turn) {
  RLHF_ASSIGN_OR_RETURN(const std::optional<std::string> dropped,
                        continuations_.Add(turn, clock_->Monotonic()));
  touched_.worker_ids.insert(turn.worker_id);
  if (dropped.has_value()) touched_.worker_ids.insert(*dropped);
  return absl::OkStatus();
}

absl::Status AnswerDesk::AddTurnOfLog(const NextTurn& turn) {
  // Asked under the lock: who is retracted after this is forgotten after this.
  RLHF_ASSIGN_OR_RETURN(std::optional<Task> task, FindAnswered(turn));
  if (!task.has_value()) return NothingToCarryOn(turn);
  continuations_.Remember(*std::move(task), turn.worker_id, turn.comparison_id);
  return AddTurn(turn);
}

absl::Status AnswerDesk::CarryOn(const NextTurn& turn) {
  if (!turn.comparison_id.empty()) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<Task> task, FindAnswered(turn));
    // Also one that is remembered may have been retracted since.
    if (!task.has_value()) return NothingToCarryOn(turn);
  }
  absl::Status added;
  {
    MutexLock lock(&mutex_);
    added = AddTurn(turn);
    if (absl::IsNotFound(added) && !turn.comparison_id.empty()) {
      added = AddTurnOfLog(turn);
    }
    if (added.ok()) demand_.SignalAll();
  }
  if (added.ok()) KeepOpenWork().IgnoreError();
  return added;
}

std::optional<Continuation> AnswerDesk::NextContinuation() const {
  MutexLock lock(&mutex_);
  return continuations_.Next();
}

void AnswerDesk::FinishContinuation(const Continuation& continuation,
                                    std::optional<Task> task) {
  if (task.has_value()) {
    task->task_id = KeyedTaskId(task->task_id);
    task->carried_on_from = continuation.comparison_id;
  }
  {
    MutexLock lock(&mutex_);
    continuations_.Finish(continuation, std::move(task));
    touched_.worker_ids.insert(continuation.worker_id);
  }
  KeepOpenWork().IgnoreError();
}

absl::StatusOr<std::vector<PreferenceStore::Appended>> AnswerDesk::Import(
    const std::vector<v1::Comparison>& comparisons) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<PreferenceStore::Appended> appended,
                        store_->AppendAll(comparisons));
  int64_t num_new = 0;
  MutexLock lock(&mutex_);
  for (size_t i = 0; i < appended.size(); ++i) {
    if (appended[i].duplicate) continue;
    ++num_new;
    v1::Comparison stored = comparisons[i];
    stored.set_seq(appended[i].seq);
    book_->Add(stored);
  }
  scheduler_.AddImported(num_new);
  UpdateGauges();
  return appended;
}

void AnswerDesk::Add(std::vector<Task> tasks) {
  for (Task& task : tasks) task.task_id = KeyedTaskId(task.task_id);
  MutexLock lock(&mutex_);
  for (Task& task : tasks) scheduler_.Add(std::move(task));
  UpdateGauges();
}

int AnswerDesk::WaitForDemand(const std::stop_token& stop,
                              absl::Duration timeout) {
  const std::stop_callback wake(stop, [this] {
    MutexLock lock(&mutex_);
    demand_.SignalAll();
  });
  const absl::Time deadline = MonotonicNow() + timeout;
  MutexLock lock(&mutex_);
  while (scheduler_.NumWanted() == 0 && !continuations_.Next().has_value() &&
         !stop.stop_requested()) {
    const absl::Duration left = deadline - MonotonicNow();
    if (left <= absl::ZeroDuration()) break;
    demand_.WaitFor(&mutex_, left);
  }
  return scheduler_.NumWanted();
}

AnswerDesk::TaskStats AnswerDesk::GetTaskStats() const {
  MutexLock lock(&mutex_);
  return {.num_ready = scheduler_.num_ready(),
          .num_leased = scheduler_.num_leased(),
          .num_answers = scheduler_.num_answers(),
          .max_comparisons = options_.max_comparisons,
          .complete = scheduler_.complete()};
}

void AnswerDesk::UpdateGauges() {
  metrics_->ready_tasks.Set(scheduler_.num_ready());
  metrics_->active_leases.Set(scheduler_.num_leased());
  metrics_->workers_paused.Set(book_->NumPaused());
  // Without pairs there is no agreement, which is no agreement of 0.
  metrics_->agreement_alpha.Set(
      book_->ledger().Agreement().alpha.value_or(std::nan("")));
  if (scheduler_.NumWanted() > 0) demand_.SignalAll();
}

}  // namespace rlhf
