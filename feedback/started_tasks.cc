#include "feedback/started_tasks.h"

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "core/comparisons/choice.h"

namespace rlhf {
namespace {

bool IsOfATask(const v1::Comparison& comparison) {
  return MayTeach(comparison) && IsJudgedHere(comparison);
}

Task ToTask(const v1::Comparison& comparison) {
  // A position that no new task has, from 0, keeps the names apart.
  Task task = MakeTask(comparison.prompt(),
                       {comparison.response_a(), comparison.policy_version_a()},
                       {comparison.response_b(), comparison.policy_version_b()},
                       -comparison.seq());
  task.kind = comparison.task_kind();
  task.sampling = comparison.sampling();
  task.pm_version = comparison.pm_version();
  return task;
}

}  // namespace

std::string TaskContentKey(const v1::Comparison& comparison) {
  v1::Comparison task;
  *task.mutable_prompt() = comparison.prompt();
  task.set_response_a(comparison.response_a());
  task.set_response_b(comparison.response_b());
  task.set_policy_version_a(comparison.policy_version_a());
  task.set_policy_version_b(comparison.policy_version_b());
  task.set_pm_version(comparison.pm_version());
  task.set_task_kind(comparison.task_kind());
  return Sha256Hex(task.SerializeAsString());
}

void StartedTasks::Add(const v1::Comparison& comparison) {
  if (overlap_ < 2 || !IsOfATask(comparison)) return;
  const std::string key = TaskContentKey(comparison);
  if (known_.contains(key) || gone_.contains(key)) return;
  const auto [found, is_new] = started_.try_emplace(key);
  StartedTask& started = found->second;
  if (is_new) {
    started.task = ToTask(comparison);
    order_.push_back(key);
  }
  started.answered_by.insert(comparison.worker_id());
  if (static_cast<int>(started.answered_by.size()) >= overlap_) {
    Drop(std::find(order_.begin(), order_.end(), key));
  } else if (static_cast<int>(order_.size()) > max_tasks_) {
    Drop(order_.begin());
  }
}

void StartedTasks::Drop(std::deque<std::string>::iterator key) {
  started_.erase(*key);
  gone_.insert(std::move(*key));
  order_.erase(key);
}

std::vector<StartedTask> StartedTasks::Take() && {
  std::vector<StartedTask> tasks;
  for (const std::string& key : order_) {
    tasks.push_back(std::move(started_.at(key)));
  }
  return tasks;
}

}  // namespace rlhf
