#include "feedback/resumed_tasks.h"

#include <algorithm>
#include <utility>

#include "core/comparisons/choice.h"
#include "feedback/started_tasks.h"

namespace rlhf {
namespace {

// The end of a lease by the time of day; 0: it ended.
int64_t LeaseEnd(const OpenTask::Holder& holder, const Clock& clock) {
  const absl::Duration left = holder.lease_end - clock.Monotonic();
  if (left <= absl::ZeroDuration()) return 0;
  return absl::ToUnixMillis(clock.Now() + left);
}

OpenTask::Holder ToHolder(const v1::TaskHolder& record, const Clock& clock,
                          absl::Duration lease) {
  const absl::Time now = clock.Now();
  const absl::Duration ago = std::max(
      absl::ZeroDuration(), now - absl::FromUnixMillis(record.given_unix_ms()));
  const absl::Duration left =
      std::min(lease, absl::FromUnixMillis(record.lease_end_unix_ms()) - now);
  OpenTask::Holder holder{.given = clock.Monotonic() - ago};
  if (left > absl::ZeroDuration()) {
    holder.lease_end = clock.Monotonic() + left;
  }
  return holder;
}

OpenTask ToOpenTask(const v1::OpenTask& record, const Clock& clock,
                    absl::Duration lease) {
  const v1::Comparison& compared = record.compared();
  OpenTask open{.task = {.task_id = record.task_id(),
                         .prompt = compared.prompt(),
                         .response_a = compared.response_a(),
                         .response_b = compared.response_b(),
                         .policy_version_a = compared.policy_version_a(),
                         .policy_version_b = compared.policy_version_b(),
                         .kind = compared.task_kind(),
                         .sampling = compared.sampling(),
                         .pm_version = compared.pm_version(),
                         .carried_on_from = record.carried_on_from(),
                         .gold = record.gold()},
                .owner = record.owner(),
                .holders = {},
                .answered_by = {},
                .extra_by = {},
                .num_before = record.num_before()};
  for (const v1::TaskHolder& holder : record.holders()) {
    open.holders[holder.worker_id()] = ToHolder(holder, clock, lease);
  }
  return open;
}

bool IsForgotten(const v1::OpenTask& record, absl::Time now) {
  if (record.owner().empty()) return false;
  int64_t newest = 0;
  for (const v1::TaskHolder& holder : record.holders()) {
    newest =
        std::max({newest, holder.given_unix_ms(), holder.lease_end_unix_ms()});
  }
  return now - absl::FromUnixMillis(newest) > ResumedTasks::kKeepOwn;
}

// Whether the worker ever got the task.
bool IsHolder(const v1::OpenTask& record, const std::string& worker_id) {
  return std::any_of(record.holders().begin(), record.holders().end(),
                     [&](const v1::TaskHolder& holder) {
                       return holder.worker_id() == worker_id;
                     });
}

// Of several leases of one worker the one that ends last is the real one.
void KeepLastLeases(std::vector<OpenTask>& tasks) {
  std::map<std::string, OpenTask::Holder*> last;
  for (OpenTask& task : tasks) {
    for (auto& [worker_id, holder] : task.holders) {
      const auto [found, is_new] = last.try_emplace(worker_id, &holder);
      if (is_new) continue;
      if (holder.lease_end > found->second->lease_end) {
        found->second->lease_end = absl::InfinitePast();
        found->second = &holder;
      } else {
        holder.lease_end = absl::InfinitePast();
      }
    }
  }
}

}  // namespace

v1::OpenTask ToRecord(const OpenTask& open, const Clock& clock) {
  v1::OpenTask record;
  record.set_task_id(open.task.task_id);
  v1::Comparison& compared = *record.mutable_compared();
  *compared.mutable_prompt() = open.task.prompt;
  compared.set_response_a(open.task.response_a);
  compared.set_response_b(open.task.response_b);
  compared.set_policy_version_a(open.task.policy_version_a);
  compared.set_policy_version_b(open.task.policy_version_b);
  compared.set_task_kind(open.task.kind);
  compared.set_pm_version(open.task.pm_version);
  *compared.mutable_sampling() = open.task.sampling;
  record.set_carried_on_from(open.task.carried_on_from);
  record.set_gold(open.task.gold);
  record.set_owner(open.owner);
  record.set_num_before(open.num_before);
  for (const auto& [worker_id, holder] : open.holders) {
    v1::TaskHolder& kept = *record.add_holders();
    kept.set_worker_id(worker_id);
    kept.set_given_unix_ms(
        absl::ToUnixMillis(clock.Now() - (clock.Monotonic() - holder.given)));
    kept.set_lease_end_unix_ms(LeaseEnd(holder, clock));
  }
  return record;
}

ResumedTasks::ResumedTasks(std::vector<v1::OpenTask> records) {
  for (v1::OpenTask& record : records) {
    const std::string key = TaskContentKey(record.compared());
    by_content_.emplace(key, Resumed{.record = std::move(record)});
  }
}

void ResumedTasks::Add(const v1::Comparison& comparison) {
  if (by_content_.empty() || comparison.choice() == v1::RETRACTED ||
      !IsJudgedHere(comparison)) {
    return;
  }
  const auto [first, last] =
      by_content_.equal_range(TaskContentKey(comparison));
  for (auto it = first; it != last; ++it) {
    Resumed& resumed = it->second;
    if (resumed.record.gold() == IsGold(comparison) &&
        comparison.seq() > resumed.record.num_before() &&
        IsHolder(resumed.record, comparison.worker_id())) {
      (comparison.extra() ? resumed.extra_by : resumed.answered_by)
          .insert(comparison.worker_id());
    }
  }
}

std::set<std::string> ResumedTasks::ContentKeys() const {
  std::set<std::string> keys;
  for (const auto& [key, resumed] : by_content_) keys.insert(key);
  return keys;
}

std::vector<OpenTask> ResumedTasks::Take(const Clock& clock,
                                         absl::Duration lease) && {
  std::vector<OpenTask> tasks;
  for (auto& [key, resumed] : by_content_) {
    if (IsForgotten(resumed.record, clock.Now())) continue;
    OpenTask& task =
        tasks.emplace_back(ToOpenTask(resumed.record, clock, lease));
    task.answered_by = std::move(resumed.answered_by);
    task.extra_by = std::move(resumed.extra_by);
  }
  KeepLastLeases(tasks);
  return tasks;
}

}  // namespace rlhf
