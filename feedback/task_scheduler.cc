#include "feedback/task_scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "feedback/access/secrets.h"

namespace rlhf {

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
  const auto num_claims =
      std::count_if(entry.claims.begin(), entry.claims.end(),
                    [](const auto& claim) { return !claim.second.extra; });
  const auto num_taken =
      static_cast<int64_t>(entry.leases.size() + entry.answered_by.size()) +
      num_claims;
  // A task may have more answers than are wanted since a restart.
  return std::max(0, entry.num_wanted - static_cast<int>(num_taken));
}

bool TaskScheduler::IsFull(const Entry& entry) {
  return static_cast<int>(entry.answered_by.size()) >= entry.num_wanted;
}

bool TaskScheduler::HasAnswered(const Entry& entry,
                                const std::string& worker_id) {
  return entry.answered_by.contains(worker_id) ||
         entry.extra_by.contains(worker_id);
}

bool TaskScheduler::IsOver(const Entry& entry) {
  return IsFull(entry) &&
         std::all_of(
             entry.seen_by.begin(), entry.seen_by.end(),
             [&](const auto& one) { return HasAnswered(entry, one.first); });
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
  return num_answers() + num_claimed_ + static_cast<int64_t>(holder_of_.size());
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
         num_answers() >= options_.max_comparisons;
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

void TaskScheduler::AddImported(int64_t num_comparisons) {
  num_comparisons_ += num_comparisons;
  num_others_ += num_comparisons;
}

void TaskScheduler::AddEarlierOthers(int64_t num_comparisons) {
  num_others_ += num_comparisons;
}

}  // namespace rlhf
