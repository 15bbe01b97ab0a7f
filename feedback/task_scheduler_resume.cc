// How tasks that were given out go on after a restart, and how a worker is
// forgotten.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "feedback/task_scheduler.h"

namespace rlhf {

std::optional<OpenTask> TaskScheduler::FindOpen(
    const std::string& task_id) const {
  const auto found = entries_.find(task_id);
  if (found == entries_.end() || found->second.seen_by.empty()) {
    return std::nullopt;
  }
  const Entry& entry = found->second;
  OpenTask open{.task = entry.task,
                .owner = entry.owner,
                .holders = {},
                .answered_by = entry.answered_by,
                .extra_by = entry.extra_by,
                .num_before = entry.num_before};
  for (const auto& [worker_id, given] : entry.seen_by) {
    const auto lease = entry.leases.find(worker_id);
    open.holders[worker_id] = {.given = given,
                               .lease_end = lease == entry.leases.end()
                                                ? absl::InfinitePast()
                                                : lease->second};
  }
  return open;
}

void TaskScheduler::RestoreLeases(const OpenTask& open, Entry& entry,
                                  absl::Time now) {
  std::multimap<absl::Time, std::string, std::greater<>> leases;
  for (const auto& [worker_id, holder] : open.holders) {
    if (holder.lease_end > now) leases.emplace(holder.lease_end, worker_id);
  }
  for (const auto& [lease_end, worker_id] : leases) {
    if (NumOpen(entry) == 0 || holder_of_.contains(worker_id) ||
        entry.answered_by.contains(worker_id) || !CheckLease(worker_id).ok()) {
      continue;
    }
    entry.leases[worker_id] = lease_end;
    holder_of_[worker_id] = entry.task.task_id;
  }
}

void TaskScheduler::Restore(OpenTask open, absl::Time now) {
  if (own_of_.contains(open.owner)) return;
  const auto [added, is_new] = entries_.try_emplace(open.task.task_id);
  if (!is_new) return;
  Entry& entry = added->second;
  entry.task = open.task;
  entry.owner = open.owner;
  entry.num_wanted = NumWantedOf(open.owner);
  entry.answered_by = open.answered_by;
  entry.extra_by = open.extra_by;
  entry.num_before = open.num_before;
  for (const auto& [worker_id, holder] : open.holders) {
    entry.seen_by[worker_id] = holder.given;
  }
  if (IsOver(entry)) return DropAnswered(open.task.task_id);
  if (IsFull(entry)) KeepFull(open.task.task_id);
  if (!entry.owner.empty()) own_of_[entry.owner] = entry.task.task_id;
  RestoreLeases(open, entry, now);
  UpdateReady(entry, /*first=*/false);
}

void TaskScheduler::DropLease(const std::string& worker_id, Entry& entry) {
  if (entry.leases.erase(worker_id) > 0) holder_of_.erase(worker_id);
  // An answer of somebody else took its place, and would give it back if it
  // could not be saved.
  for (auto& [claimer, reserved] : entry.claims) {
    if (reserved.lease_of == worker_id) reserved.lease_of.clear();
  }
}

std::vector<std::string> TaskScheduler::Forget(const std::string& worker_id) {
  std::vector<std::string> forgotten;
  for (auto it = entries_.begin(); it != entries_.end();) {
    auto& [task_id, entry] = *it;
    if (!entry.seen_by.contains(worker_id) ||
        entry.claims.contains(worker_id)) {
      ++it;
      continue;
    }
    forgotten.push_back(task_id);
    DropLease(worker_id, entry);
    entry.seen_by.erase(worker_id);
    if (entry.owner == worker_id) {
      own_of_.erase(worker_id);
      it = entries_.erase(it);
      continue;
    }
    UpdateReady(entry, /*first=*/true);
    ++it;
    if (IsOver(entry)) DropAnswered(forgotten.back());
  }
  return forgotten;
}

std::vector<std::string> TaskScheduler::ForgetCarriedOn(
    const std::string& comparison_id) {
  std::vector<std::string> forgotten;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    if (entry.owner.empty() || entry.task.carried_on_from != comparison_id ||
        !entry.claims.empty()) {
      ++it;
      continue;
    }
    DropLease(entry.owner, entry);
    own_of_.erase(entry.owner);
    forgotten.push_back(it->first);
    it = entries_.erase(it);
  }
  return forgotten;
}

}  // namespace rlhf
