// How the desk goes on after a restart, and what it keeps for the next one.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "feedback/answer_desk.h"

namespace rlhf {

absl::Status AnswerDesk::ReadLog(const std::string& open_work_folder) {
  OpenWork::Found found;
  if (!open_work_folder.empty()) {
    MutexLock lock(&keeping_);
    RLHF_ASSIGN_OR_RETURN(open_work_, OpenWork::Open(open_work_folder, found));
  }
  RLHF_RETURN_IF_ERROR(ReadLogBeside(std::move(found)));
  KeepOpenWork().IgnoreError();
  return absl::OkStatus();
}

absl::Status AnswerDesk::ReadLogBeside(OpenWork::Found found) {
  MutexLock lock(&mutex_);
  for (const v1::OpenTask& task : found.tasks) {
    touched_.task_ids.insert(task.task_id());
  }
  ResumedTasks resumed(std::move(found.tasks));
  StartedTasks started(options_.overlap, options_.ready_tasks,
                       resumed.ContentKeys());
  const int64_t num_comparisons = store_->GetTotals().num_comparisons;
  int64_t num_others = 0;
  WorkerBook& book = *book_;
  RLHF_RETURN_IF_ERROR(store_->ForEach(
      1, num_comparisons, [&](const v1::Comparison& comparison) {
        book.Add(comparison);
        // A retracted one still says where it came from, and if it was extra.
        num_others += IsJudgedHere(comparison) && !comparison.extra() ? 0 : 1;
        started.Add(comparison);
        resumed.Add(comparison);
        return absl::OkStatus();
      }));
  scheduler_.AddEarlierOthers(num_others);
  for (const WorkerStatus& worker : book.Workers()) {
    scheduler_.AddEarlierAnswers(
        worker.view.worker_id, worker.view.num_answers - worker.view.num_extra);
  }
  RLHF_RETURN_IF_ERROR(
      Resume(std::move(resumed), std::move(started), found.turns));
  UpdateGauges();
  return absl::OkStatus();
}

absl::StatusOr<bool> AnswerDesk::IsRetractedAnswer(
    const std::string& comparison_id) const {
  if (comparison_id.empty()) return false;
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                        store_->Find(comparison_id));
  return stored.has_value() && stored->choice() == v1::RETRACTED;
}

absl::Status AnswerDesk::Resume(ResumedTasks tasks, StartedTasks started,
                                const std::vector<v1::WaitingTurn>& turns) {
  const absl::Time now = clock_->Monotonic();
  RLHF_RETURN_IF_ERROR(ResumeTasks(std::move(tasks), now));
  RLHF_RETURN_IF_ERROR(ResumeTurns(turns, now));
  for (StartedTask& one : std::move(started).Take()) {
    one.task.task_id = KeyedTaskId(one.task.task_id);
    scheduler_.Add(std::move(one.task), std::move(one.answered_by));
  }
  return absl::OkStatus();
}

absl::Status AnswerDesk::ResumeTasks(ResumedTasks tasks, absl::Time now) {
  for (OpenTask& open : std::move(tasks).Take(*clock_, options_.lease)) {
    // A kill may have come between the retraction and the files. Whose answer
    // stands in the log gave it after the retraction.
    std::erase_if(open.holders, [&](const auto& holder) {
      const std::string& worker_id = holder.first;
      return !open.answered_by.contains(worker_id) &&
             !open.extra_by.contains(worker_id) &&
             store_->IsRetractedWorker(worker_id);
    });
    RLHF_ASSIGN_OR_RETURN(const bool is_retracted,
                          IsRetractedAnswer(open.task.carried_on_from));
    if (!is_retracted &&
        (open.owner.empty() || !store_->IsRetractedWorker(open.owner))) {
      scheduler_.Restore(std::move(open), now);
    }
  }
  return absl::OkStatus();
}

absl::Status AnswerDesk::ResumeTurns(const std::vector<v1::WaitingTurn>& turns,
                                     absl::Time now) {
  for (const v1::WaitingTurn& turn : turns) {
    RLHF_ASSIGN_OR_RETURN(const bool is_retracted,
                          IsRetractedAnswer(turn.comparison_id()));
    // The task that was made of it may have been given out already.
    if (!is_retracted && !scheduler_.HasOwn(turn.worker_id()) &&
        !store_->IsRetractedWorker(turn.worker_id())) {
      continuations_.Restore({.prompt = turn.prompt(),
                              .worker_id = turn.worker_id(),
                              .task_id = turn.task_id(),
                              .comparison_id = turn.comparison_id()},
                             now);
    }
    touched_.worker_ids.insert(turn.worker_id());
  }
  return absl::OkStatus();
}

absl::Status AnswerDesk::ForgetAnswers(
    const std::vector<std::string>& comparison_ids) {
  {
    MutexLock lock(&mutex_);
    for (const std::string& id : comparison_ids) {
      if (const auto whose = continuations_.ForgetAnswer(id)) {
        touched_.worker_ids.insert(*whose);
      }
      for (std::string& task_id : scheduler_.ForgetCarriedOn(id)) {
        touched_.task_ids.insert(std::move(task_id));
      }
    }
    UpdateGauges();
  }
  return KeepOpenWork();
}

absl::Status AnswerDesk::ForgetWorker(const std::string& worker_id) {
  {
    MutexLock lock(&mutex_);
    continuations_.Forget(worker_id);
    touched_.worker_ids.insert(worker_id);
    for (std::string& task_id : scheduler_.Forget(worker_id)) {
      touched_.task_ids.insert(std::move(task_id));
    }
    UpdateGauges();
  }
  return KeepOpenWork();
}

absl::Status AnswerDesk::KeepOpenWork() {
  MutexLock keeping(&keeping_);
  OpenWork::Changes changes;
  {
    MutexLock lock(&mutex_);
    changes = TakeTouched();
  }
  const OpenWork::Undone undone = open_work_.Apply(changes);
  if (!undone.status.ok()) {
    MutexLock lock(&mutex_);
    touched_.task_ids.insert(undone.task_ids.begin(), undone.task_ids.end());
    touched_.worker_ids.insert(undone.worker_ids.begin(),
                               undone.worker_ids.end());
  }
  return undone.status;
}

OpenWork::Changes AnswerDesk::TakeTouched() {
  const Touched touched = std::exchange(touched_, {});
  OpenWork::Changes changes;
  for (const std::string& task_id : touched.task_ids) {
    if (const std::optional<OpenTask> open = scheduler_.FindOpen(task_id)) {
      changes.tasks.push_back(ToRecord(*open, *clock_));
    } else {
      changes.gone_tasks.push_back(task_id);
    }
  }
  for (const std::string& worker_id : touched.worker_ids) {
    const auto waiting = continuations_.WaitingOf(worker_id);
    if (!waiting.has_value()) {
      changes.gone_turns.push_back(worker_id);
      continue;
    }
    v1::WaitingTurn& turn = changes.turns.emplace_back();
    *turn.mutable_prompt() = waiting->prompt;
    turn.set_worker_id(waiting->worker_id);
    turn.set_task_id(waiting->task_id);
    turn.set_comparison_id(waiting->comparison_id);
  }
  return changes;
}

}  // namespace rlhf
