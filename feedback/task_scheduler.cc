#include "feedback/task_scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "feedback/access/secrets.h"

namespace rlhf {
namespace {

constexpr size_t kAnsweredRemembered = 10'000;

absl::Status BeingSaved(const std::string& task_id) {
  return absl::UnavailableError(absl::StrCat("an answer to task ", task_id,
                                             " is being saved; try again"));
}

}  // namespace

Task MakeTask(v1::Prompt prompt, VersionedResponse a, VersionedResponse b,
              int64_t position) {
  Task task{.prompt = std::move(prompt),
            .response_a = std::move(a.text),
            .response_b = std::move(b.text),
            .policy_version_a = a.policy_version,
            .policy_version_b = b.policy_version};
  // Lengths keep the parts apart.
  const std::string content = absl::StrCat(
      task.prompt.prompt_id(), "/", position, "/", task.policy_version_a, "/",
      task.policy_version_b, "/", task.response_a.size(), "/", task.response_a,
      task.response_b);
  task.task_id = Sha256Hex(content).substr(0, 16);
  return task;
}

bool IsShownSwapped(absl::string_view task_id, absl::string_view worker_id,
                    absl::string_view secret) {
  // The name of a task has no "/", which keeps the parts apart.
  const std::string digest =
      HmacSha256Hex(secret, absl::StrCat("side/", task_id, "/", worker_id));
  return (Xxh3(digest) & 1) != 0;
}

TaskScheduler::TaskScheduler(const Options& options, int64_t num_comparisons)
    : options_(options), num_comparisons_(num_comparisons) {}

void TaskScheduler::AddEarlierAnswers(const std::string& worker_id,
                                      int64_t num_answers) {
  num_answers_of_[worker_id] += num_answers;
}

int TaskScheduler::NumWantedOf(const std::string& owner) const {
  return owner.empty() ? options_.overlap : 1;
}

int TaskScheduler::NumOpen(const Entry& entry) {
  return entry.num_wanted -
         static_cast<int>(entry.leases.size() + entry.claims.size() +
                          entry.answered_by.size());
}

void TaskScheduler::UpdateReady(Entry& entry, bool first) {
  if (!entry.owner.empty()) return;
  const int num_open = NumOpen(entry);
  if (num_open > 0 && entry.num_counted_open == 0) {
    ready_.insert(first ? ready_.begin() : ready_.end(), entry.task.task_id);
  } else if (num_open == 0 && entry.num_counted_open > 0) {
    ready_.remove(entry.task.task_id);
  }
  num_open_ += num_open - entry.num_counted_open;
  entry.num_counted_open = num_open;
}

int64_t TaskScheduler::NumPromised() const {
  return num_comparisons_ + num_claimed_ +
         static_cast<int64_t>(holder_of_.size());
}

bool TaskScheduler::HasRoom() const {
  return options_.max_comparisons == 0 ||
         NumPromised() < options_.max_comparisons;
}

bool TaskScheduler::MayAnswerMore(const std::string& worker_id,
                                  int64_t num_held) const {
  if (options_.max_answers_per_worker == 0) return true;
  const auto answers = num_answers_of_.find(worker_id);
  const int64_t num_answers =
      answers == num_answers_of_.end() ? 0 : answers->second;
  return num_answers + num_held < options_.max_answers_per_worker;
}

bool TaskScheduler::complete() const {
  return options_.max_comparisons != 0 &&
         num_comparisons_ >= options_.max_comparisons;
}

int TaskScheduler::NumWanted() const {
  int64_t wanted = options_.ready_tasks - num_ready();
  if (options_.max_comparisons != 0) {
    const int64_t answers =
        options_.max_comparisons - NumPromised() - num_open_;
    wanted = std::min(
        wanted,
        answers <= 0 ? 0 : (answers + options_.overlap - 1) / options_.overlap);
  }
  return static_cast<int>(std::max<int64_t>(wanted, 0));
}

bool TaskScheduler::Add(Task task, std::set<std::string> answered_by) {
  if (NumWanted() == 0 || answered_.contains(task.task_id)) return false;
  const std::string task_id = task.task_id;
  const auto [added, is_new] = entries_.try_emplace(task_id);
  if (!is_new) return false;
  Entry& entry = added->second;
  entry.task = std::move(task);
  entry.num_wanted = NumWantedOf(/*owner=*/"");
  entry.answered_by = std::move(answered_by);
  RLHF_CHECK(NumOpen(entry) > 0) << "task " << task_id << " has its answers";
  UpdateReady(entry, /*first=*/false);
  return true;
}

bool TaskScheduler::HasTaskOf(const std::string& worker_id) const {
  return holder_of_.contains(worker_id) || own_of_.contains(worker_id);
}

void TaskScheduler::ExpireLeases(absl::Time now) {
  for (auto lease = holder_of_.begin(); lease != holder_of_.end();) {
    Entry& entry = entries_.at(lease->second);
    if (entry.leases.at(lease->first) > now) {
      ++lease;
      continue;
    }
    entry.leases.erase(lease->first);
    UpdateReady(entry, /*first=*/true);
    lease = holder_of_.erase(lease);
  }
}

TaskScheduler::Entry* TaskScheduler::PickReady(const std::string& worker_id) {
  Entry* held_before = nullptr;
  for (const std::string& task_id : ready_) {
    Entry& entry = entries_.at(task_id);
    if (entry.answered_by.contains(worker_id) ||
        entry.claims.contains(worker_id)) {
      continue;
    }
    if (!entry.seen_by.contains(worker_id)) return &entry;
    if (held_before == nullptr) held_before = &entry;
  }
  return held_before;
}

absl::Status TaskScheduler::CheckLease(const std::string& worker_id) const {
  if (complete()) {
    return absl::OutOfRangeError(absl::StrCat(
        "the run has all of its ", options_.max_comparisons, " comparisons"));
  }
  if (holder_of_.contains(worker_id)) return absl::OkStatus();
  if (!MayAnswerMore(worker_id, /*num_held=*/0)) {
    return absl::PermissionDeniedError(
        absl::StrCat("you have given all ", options_.max_answers_per_worker,
                     " answers that one person may give here; thank you!"));
  }
  if (!HasRoom() || holder_of_.size() >= kMaxLeases) {
    return absl::UnavailableError("no task is ready; ask again in a moment");
  }
  return absl::OkStatus();
}

Task TaskScheduler::GiveTo(const std::string& worker_id, Entry& entry,
                           absl::Time now) {
  if (entry.seen_by.empty()) entry.num_before = num_comparisons_;
  entry.leases[worker_id] = now + options_.lease;
  entry.seen_by.try_emplace(worker_id, now);
  holder_of_[worker_id] = entry.task.task_id;
  UpdateReady(entry, /*first=*/false);
  Task task = entry.task;
  task.shown_swapped = IsShownSwapped(task.task_id, worker_id, options_.secret);
  return task;
}

absl::StatusOr<Task> TaskScheduler::Lease(const std::string& worker_id,
                                          absl::Time now) {
  ExpireLeases(now);
  RLHF_RETURN_IF_ERROR(CheckLease(worker_id));
  Entry* entry = nullptr;
  if (const auto held = holder_of_.find(worker_id); held != holder_of_.end()) {
    entry = &entries_.at(held->second);
  } else if (const auto own = own_of_.find(worker_id); own != own_of_.end()) {
    entry = &entries_.at(own->second);
    // Its answer may be on its way into the log.
    if (NumOpen(*entry) == 0) entry = nullptr;
  } else {
    entry = PickReady(worker_id);
  }
  if (entry == nullptr) {
    return absl::UnavailableError("no task is ready; ask again in a moment");
  }
  return GiveTo(worker_id, *entry, now);
}

absl::Status TaskScheduler::CheckMayLease(const std::string& worker_id,
                                          absl::Time now) {
  ExpireLeases(now);
  return CheckLease(worker_id);
}

absl::StatusOr<Task> TaskScheduler::LeaseOwn(const std::string& worker_id,
                                             Task task, absl::Time now) {
  ExpireLeases(now);
  RLHF_CHECK(!HasTaskOf(worker_id)) << worker_id << " has a task";
  RLHF_RETURN_IF_ERROR(CheckLease(worker_id));
  const std::string task_id = task.task_id;
  if (answered_.contains(task_id) || entries_.contains(task_id)) {
    return absl::UnavailableError(
        absl::StrCat("task ", task_id, " is there already"));
  }
  Entry& entry = entries_[task_id];
  entry.task = std::move(task);
  entry.owner = worker_id;
  own_of_[worker_id] = task_id;
  return GiveTo(worker_id, entry, now);
}

absl::StatusOr<TaskScheduler::Reserved> TaskScheduler::Reserve(
    const Entry& entry, const std::string& worker_id) const {
  if (const auto own = entry.leases.find(worker_id);
      own != entry.leases.end()) {
    return Reserved{.lease_of = worker_id, .expires = own->second};
  }
  const std::string ended =
      absl::StrCat("the lease of task ", entry.task.task_id, " ended, and ");
  if (!MayAnswerMore(worker_id, holder_of_.contains(worker_id) ? 1 : 0)) {
    return absl::FailedPreconditionError(
        absl::StrCat(ended, "worker \"", worker_id,
                     "\" has given all answers that one person may give"));
  }
  if (NumOpen(entry) > 0) {
    // A lease is promised already; an open place needs room.
    if (HasRoom()) return Reserved();
    return absl::FailedPreconditionError(absl::StrCat(
        ended, "other workers do the last comparisons of the run"));
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
                     " was answered by somebody else after its lease ended"));
  }
  const auto found = entries_.find(task_id);
  if (found == entries_.end()) {
    return absl::NotFoundError(absl::StrCat(
        "there is no task ", task_id, " (any more): ask for another one"));
  }
  Entry& entry = found->second;
  if (entry.answered_by.contains(worker_id)) {
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
  entry->claims[worker_id] = std::move(reserved);
  UpdateReady(*entry, /*first=*/false);
  ++num_claimed_;
  ++num_answers_of_[worker_id];
  Task task = entry->task;
  task.shown_swapped = IsShownSwapped(task_id, worker_id, options_.secret);
  task.since_given = now - entry->seen_by.at(worker_id);
  return task;
}

void TaskScheduler::EndSaved(Entry& entry, const std::string& worker_id) {
  ++num_comparisons_;
  entry.answered_by.insert(worker_id);
  if (static_cast<int>(entry.answered_by.size()) < entry.num_wanted) return;
  own_of_.erase(entry.owner);
  RememberAnswered(entry.task.task_id);
  const std::string task_id = entry.task.task_id;
  entries_.erase(task_id);
}

void TaskScheduler::Finish(const std::string& task_id,
                           const std::string& worker_id, bool saved) {
  const auto found = entries_.find(task_id);
  RLHF_CHECK(found != entries_.end() &&
             found->second.claims.contains(worker_id))
      << "task " << task_id << " is not claimed by " << worker_id;
  Entry& entry = found->second;
  const Reserved reserved = entry.claims.at(worker_id);
  entry.claims.erase(worker_id);
  --num_claimed_;
  if (saved) return EndSaved(entry, worker_id);
  --num_answers_of_[worker_id];
  // Whoever held it may have answered it or taken another task meanwhile.
  const std::string& holder = reserved.lease_of;
  if (!holder.empty() && !entry.answered_by.contains(holder) &&
      !entry.claims.contains(holder) && MayAnswerMore(holder, 0) &&
      holder_of_.try_emplace(holder, task_id).second) {
    entry.leases[holder] = reserved.expires;
  }
  UpdateReady(entry, /*first=*/true);
}

void TaskScheduler::AddImported(int64_t num_comparisons) {
  num_comparisons_ += num_comparisons;
}

void TaskScheduler::RememberAnswered(const std::string& task_id) {
  answered_.insert(task_id);
  answered_order_.push_back(task_id);
  if (answered_order_.size() > kAnsweredRemembered) {
    answered_.erase(answered_order_.front());
    answered_order_.pop_front();
  }
}

}  // namespace rlhf
