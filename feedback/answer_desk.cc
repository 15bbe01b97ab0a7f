#include "feedback/answer_desk.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

v1::Choice StoredChoice(ShownChoice choice, bool shown_swapped) {
  switch (choice) {
    case ShownChoice::kLeftBetter:
      return shown_swapped ? v1::B_BETTER : v1::A_BETTER;
    case ShownChoice::kRightBetter:
      return shown_swapped ? v1::A_BETTER : v1::B_BETTER;
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
  comparison.set_choice(StoredChoice(answer.choice, task.shown_swapped));
  comparison.set_strength(answer.strength);
  comparison.set_worker_id(answer.worker_id);
  comparison.set_shown_swapped(task.shown_swapped);
  comparison.set_policy_version_a(task.policy_version_a);
  comparison.set_policy_version_b(task.policy_version_b);
  comparison.set_worker_seconds(answer.worker_seconds);
  comparison.set_source(answer.source);
  comparison.set_skip_reason(answer.skip_reason);
  return comparison;
}

// Whether `stored` is this answer, saved earlier. The task may be forgotten by
// now; what the worker said is enough to tell. Of a retracted one that is not
// known any more, and nothing brings it back.
bool IsSavedAnswer(const v1::Comparison& stored, const Answer& answer) {
  if (stored.choice() == v1::RETRACTED) return true;
  return stored.worker_id() == answer.worker_id &&
         stored.choice() ==
             StoredChoice(answer.choice, stored.shown_swapped()) &&
         stored.strength() == answer.strength &&
         stored.skip_reason() == answer.skip_reason;
}

}  // namespace

AnswerDesk::AnswerDesk(const TaskScheduler::Options& options,
                       PreferenceStore* store, const Clock* clock,
                       FeedbackMetrics* metrics)
    : options_(options),
      store_(store),
      clock_(clock),
      metrics_(metrics),
      scheduler_(options, store->GetStats().num_comparisons) {}

absl::StatusOr<Task> AnswerDesk::Lease(const std::string& worker_id) {
  MutexLock lock(&mutex_);
  auto task = scheduler_.Lease(worker_id, clock_->Now());
  UpdateGauges();
  return task;
}

absl::StatusOr<Task> AnswerDesk::Claim(const Answer& answer) {
  MutexLock lock(&mutex_);
  auto task = scheduler_.Claim(answer.task_id, answer.worker_id, clock_->Now());
  UpdateGauges();
  return task;
}

void AnswerDesk::Finish(const std::string& task_id, bool saved) {
  MutexLock lock(&mutex_);
  scheduler_.Finish(task_id, saved);
  UpdateGauges();
}

absl::StatusOr<PreferenceStore::Appended> AnswerDesk::Submit(
    const Answer& answer) {
  const absl::StatusOr<Task> task = Claim(answer);
  if (!task.ok()) {
    // A retry of an answer whose acknowledgement was lost.
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                          store_->Find(answer.comparison_id));
    if (!stored.has_value()) {
      metrics_->comparisons_refused.Increment();
      return task.status();
    }
    if (!IsSavedAnswer(*stored, answer)) {
      metrics_->comparisons_refused.Increment();
      return absl::AlreadyExistsError(
          absl::StrCat("comparison_id \"", answer.comparison_id,
                       "\" was saved before with another answer (seq ",
                       stored->seq(), "): make a new id for a new answer"));
    }
    metrics_->comparisons_duplicate.Increment();
    return PreferenceStore::Appended{.seq = stored->seq(), .duplicate = true};
  }
  const auto appended = store_->Append(ToComparison(*task, answer));
  Finish(answer.task_id, appended.ok() && !appended->duplicate);
  if (appended.ok()) {
    metrics_->comparison_duration.Observe(answer.worker_seconds);
  } else if (absl::IsAlreadyExists(appended.status())) {
    metrics_->comparisons_refused.Increment();
  }
  return appended;
}

absl::StatusOr<std::vector<PreferenceStore::Appended>> AnswerDesk::Import(
    const std::vector<v1::Comparison>& comparisons) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<PreferenceStore::Appended> appended,
                        store_->AppendAll(comparisons));
  int64_t num_new = 0;
  for (const PreferenceStore::Appended& one : appended) {
    if (!one.duplicate) ++num_new;
  }
  MutexLock lock(&mutex_);
  scheduler_.AddImported(num_new);
  return appended;
}

void AnswerDesk::Add(std::vector<Task> tasks) {
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
  const absl::Time deadline = absl::Now() + timeout;
  MutexLock lock(&mutex_);
  while (scheduler_.NumWanted() == 0 && !stop.stop_requested()) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    demand_.WaitFor(&mutex_, left);
  }
  return scheduler_.NumWanted();
}

AnswerDesk::TaskStats AnswerDesk::GetTaskStats() const {
  MutexLock lock(&mutex_);
  return {.num_ready = scheduler_.num_ready(),
          .num_leased = scheduler_.num_leased(),
          .max_comparisons = options_.max_comparisons,
          .complete = scheduler_.complete()};
}

void AnswerDesk::UpdateGauges() {
  metrics_->ready_tasks.Set(scheduler_.num_ready());
  metrics_->active_leases.Set(scheduler_.num_leased());
  if (scheduler_.NumWanted() > 0) demand_.SignalAll();
}

}  // namespace rlhf
