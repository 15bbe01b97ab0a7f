// How answers take the places of tasks, and what becomes of those that find
// none.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "feedback/task_scheduler.h"

namespace rlhf {
namespace {

constexpr size_t kAnsweredRemembered = 10'000;

absl::Status BeingSaved(const std::string& task_id) {
  return absl::UnavailableError(absl::StrCat("an answer to task ", task_id,
                                             " is being saved; try again"));
}

}  // namespace

absl::StatusOr<TaskScheduler::Reserved> TaskScheduler::Reserve(
    const Entry& entry, const std::string& worker_id) const {
  if (const auto own = entry.leases.find(worker_id);
      own != entry.leases.end()) {
    return Reserved{.lease_of = worker_id, .expires = own->second};
  }
  RLHF_ASSIGN_OR_RETURN(std::optional<Reserved> place,
                        ReserveLate(entry, worker_id));
  if (place.has_value()) return *std::move(place);
  if (entry.owner.empty()) return Reserved{.extra = true};
  return absl::FailedPreconditionError(
      absl::StrCat("the lease of task ", entry.task.task_id,
                   " ended, and you have given all answers that one person may "
                   "give, or other workers do the last ones of the run"));
}

absl::StatusOr<std::optional<TaskScheduler::Reserved>>
TaskScheduler::ReserveLate(const Entry& entry,
                           const std::string& worker_id) const {
  if (IsFull(entry) ||
      !MayAnswerMore(worker_id, holder_of_.contains(worker_id) ? 1 : 0)) {
    return std::nullopt;
  }
  if (NumOpen(entry) > 0) {
    // A lease is promised already; an open place needs room.
    return HasRoom() ? std::optional(Reserved()) : std::nullopt;
  }
  if (entry.leases.empty()) return BeingSaved(entry.task.task_id);
  // Who got it last has done least of it.
  const auto last = std::max_element(
      entry.leases.begin(), entry.leases.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  return Reserved{.lease_of = last->first, .expires = last->second};
}

absl::StatusOr<TaskScheduler::Entry*> TaskScheduler::FindForAnswer(
    const std::string& task_id, const std::string& worker_id) {
  if (answered_.contains(task_id)) {
    return absl::FailedPreconditionError(
        absl::StrCat("task ", task_id,
                     " has the answers that it wants: ask for another one"));
  }
  const auto found = entries_.find(task_id);
  if (found == entries_.end()) {
    return absl::NotFoundError(absl::StrCat(
        "there is no task ", task_id, " (any more): ask for another one"));
  }
  Entry& entry = found->second;
  // Who gave an extra answer may have been given the task once more.
  if (HasAnswered(entry, worker_id) && !entry.leases.contains(worker_id)) {
    return absl::FailedPreconditionError(
        absl::StrCat("worker \"", worker_id, "\" has answered task ", task_id,
                     " before: ask for another one"));
  }
  if (!entry.seen_by.contains(worker_id)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "task ", task_id, " was not given to worker \"", worker_id, "\""));
  }
  if (entry.claims.contains(worker_id)) return BeingSaved(task_id);
  return &entry;
}

absl::StatusOr<Task> TaskScheduler::Claim(const std::string& task_id,
                                          const std::string& worker_id,
                                          absl::Time now) {
  ExpireLeases(now);
  RLHF_ASSIGN_OR_RETURN(Entry* const entry, FindForAnswer(task_id, worker_id));
  RLHF_ASSIGN_OR_RETURN(Reserved reserved, Reserve(*entry, worker_id));
  entry->leases.erase(reserved.lease_of);
  holder_of_.erase(reserved.lease_of);
  Task task = entry->task;
  task.extra = reserved.extra;
  entry->claims[worker_id] = std::move(reserved);
  UpdateReady(*entry, /*first=*/false);
  if (!task.extra) {
    ++num_claimed_;
    ++num_answers_of_[worker_id];
  }
  task.shown_swapped = IsShownSwapped(task_id, worker_id, options_.secret);
  task.since_given = now - entry->seen_by.at(worker_id);
  return task;
}

std::vector<std::string> TaskScheduler::EndSaved(Entry& entry,
                                                 const std::string& worker_id,
                                                 bool extra) {
  const bool was_full = IsFull(entry);
  ++num_comparisons_;
  num_others_ += extra ? 1 : 0;
  (extra ? entry.extra_by : entry.answered_by).insert(worker_id);
  UpdateReady(entry, /*first=*/false);
  const std::string task_id = entry.task.task_id;
  std::vector<std::string> changed;
  if (IsOver(entry)) {
    own_of_.erase(entry.owner);
    DropAnswered(task_id);
  } else if (IsFull(entry) && !was_full) {
    changed = KeepFull(task_id);
  }
  changed.push_back(task_id);
  return changed;
}

std::vector<std::string> TaskScheduler::KeepFull(const std::string& task_id) {
  full_.push_back(task_id);
  if (full_.size() <= kMaxFull) return {};
  // Not where an answer is being saved or expected.
  const auto oldest =
      std::find_if(full_.begin(), full_.end(), [this](const std::string& id) {
        const Entry& entry = entries_.at(id);
        return entry.claims.empty() && entry.leases.empty();
      });
  if (oldest == full_.end()) return {};
  const std::string dropped = *oldest;
  DropAnswered(dropped);
  return {dropped};
}

std::vector<std::string> TaskScheduler::Finish(const std::string& task_id,
                                               const std::string& worker_id,
                                               bool saved,
                                               std::optional<bool> is_extra) {
  const auto found = entries_.find(task_id);
  RLHF_CHECK(found != entries_.end() &&
             found->second.claims.contains(worker_id))
      << "task " << task_id << " is not claimed by " << worker_id;
  Entry& entry = found->second;
  const Reserved reserved = entry.claims.at(worker_id);
  entry.claims.erase(worker_id);
  if (!reserved.extra) --num_claimed_;
  const bool extra = is_extra.value_or(reserved.extra);
  if (saved && !extra) {
    if (reserved.extra) ++num_answers_of_[worker_id];
  } else if (!reserved.extra) {
    GiveBack(entry, worker_id, reserved);
  }
  if (!saved) return {};
  return EndSaved(entry, worker_id, extra);
}

void TaskScheduler::GiveBack(Entry& entry, const std::string& worker_id,
                             const Reserved& reserved) {
  --num_answers_of_[worker_id];
  // Whoever held it may have answered it or taken another task meanwhile.
  const std::string& holder = reserved.lease_of;
  if (!holder.empty() && !entry.answered_by.contains(holder) &&
      !entry.claims.contains(holder) && MayAnswerMore(holder, 0) &&
      holder_of_.try_emplace(holder, entry.task.task_id).second) {
    entry.leases[holder] = reserved.expires;
  }
  UpdateReady(entry, /*first=*/true);
}

void TaskScheduler::DropAnswered(const std::string& task_id) {
  std::erase(full_, task_id);
  entries_.erase(task_id);
  answered_.insert(task_id);
  answered_order_.push_back(task_id);
  if (answered_order_.size() > kAnsweredRemembered) {
    answered_.erase(answered_order_.front());
    answered_order_.pop_front();
  }
}

}  // namespace rlhf
