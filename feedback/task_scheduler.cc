#include "feedback/task_scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr size_t kAnsweredRemembered = 10'000;

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
  task.shown_swapped = (Xxh3(task.task_id) & 1) != 0;
  return task;
}

TaskScheduler::TaskScheduler(const Options& options, int64_t num_comparisons)
    : options_(options), num_comparisons_(num_comparisons) {}

int64_t TaskScheduler::NumPromised() const {
  return num_comparisons_ + num_claimed_ +
         static_cast<int64_t>(holder_of_.size());
}

bool TaskScheduler::HasRoom() const {
  return options_.max_comparisons == 0 ||
         NumPromised() < options_.max_comparisons;
}

bool TaskScheduler::complete() const {
  return options_.max_comparisons != 0 &&
         num_comparisons_ >= options_.max_comparisons;
}

int TaskScheduler::NumWanted() const {
  int64_t wanted = options_.ready_tasks - num_ready();
  if (options_.max_comparisons != 0) {
    wanted = std::min(wanted,
                      options_.max_comparisons - NumPromised() - num_ready());
  }
  return static_cast<int>(std::max<int64_t>(wanted, 0));
}

bool TaskScheduler::Add(Task task) {
  if (NumWanted() == 0 || answered_.contains(task.task_id)) return false;
  const std::string task_id = task.task_id;
  if (!entries_.try_emplace(task_id, Entry{.task = std::move(task)}).second) {
    return false;
  }
  ready_.push_back(task_id);
  return true;
}

void TaskScheduler::ExpireLeases(absl::Time now) {
  for (auto lease = holder_of_.begin(); lease != holder_of_.end();) {
    Entry& entry = entries_.at(lease->second);
    if (entry.expires > now) {
      ++lease;
      continue;
    }
    // It has waited longest, so it goes first.
    ready_.push_front(lease->second);
    entry.worker_id.clear();
    entry.state = State::kReady;
    lease = holder_of_.erase(lease);
  }
}

TaskScheduler::Entry* TaskScheduler::PickReady(const std::string& worker_id) {
  auto pick = std::find_if(
      ready_.begin(), ready_.end(), [&](const std::string& task_id) {
        return !entries_.at(task_id).workers.contains(worker_id);
      });
  if (pick == ready_.end()) pick = ready_.begin();
  if (pick == ready_.end()) return nullptr;
  Entry& entry = entries_.at(*pick);
  ready_.erase(pick);
  return &entry;
}

absl::Status TaskScheduler::CheckComplete() const {
  if (!complete()) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat(
      "the run has all of its ", options_.max_comparisons, " comparisons"));
}

Task TaskScheduler::GiveTo(const std::string& worker_id, Entry& entry,
                           absl::Time now) {
  entry.state = State::kLeased;
  entry.worker_id = worker_id;
  entry.workers.insert(worker_id);
  entry.expires = now + options_.lease;
  holder_of_[worker_id] = entry.task.task_id;
  return entry.task;
}

absl::StatusOr<Task> TaskScheduler::LeaseOwn(const std::string& worker_id,
                                             Task task, absl::Time now) {
  ExpireLeases(now);
  RLHF_RETURN_IF_ERROR(CheckComplete());
  RLHF_CHECK(!HasTaskOf(worker_id)) << worker_id << " has a task";
  const std::string task_id = task.task_id;
  if (!HasRoom() || holder_of_.size() >= kMaxLeases ||
      answered_.contains(task_id) || entries_.contains(task_id)) {
    return absl::UnavailableError("there is no room for a task");
  }
  return GiveTo(worker_id, entries_[task_id] = Entry{.task = std::move(task)},
                now);
}

absl::StatusOr<Task> TaskScheduler::Lease(const std::string& worker_id,
                                          absl::Time now) {
  ExpireLeases(now);
  RLHF_RETURN_IF_ERROR(CheckComplete());
  Entry* entry = nullptr;
  if (const auto held = holder_of_.find(worker_id); held != holder_of_.end()) {
    entry = &entries_.at(held->second);
  } else if (HasRoom() && holder_of_.size() < kMaxLeases) {
    entry = PickReady(worker_id);
  }
  if (entry == nullptr) {
    return absl::UnavailableError("no task is ready; ask again in a moment");
  }
  return GiveTo(worker_id, *entry, now);
}

absl::StatusOr<Task> TaskScheduler::Claim(const std::string& task_id,
                                          const std::string& worker_id,
                                          absl::Time now) {
  ExpireLeases(now);
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
  if (!entry.workers.contains(worker_id)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "task ", task_id, " was not given to worker \"", worker_id, "\""));
  }
  if (entry.state == State::kClaimed) {
    return absl::UnavailableError(absl::StrCat("an answer to task ", task_id,
                                               " is being saved; try again"));
  }
  // The worker's own lease is promised already; an expired one needs room.
  if (entry.state == State::kReady && !HasRoom()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the lease of task ", task_id,
        " ended, and other workers do the last comparisons of the run"));
  }
  entry.before_claim = entry.state;
  if (entry.state == State::kReady) {
    ready_.remove(task_id);
  } else {
    holder_of_.erase(entry.worker_id);
  }
  entry.state = State::kClaimed;
  ++num_claimed_;
  return entry.task;
}

void TaskScheduler::Finish(const std::string& task_id, bool saved) {
  const auto found = entries_.find(task_id);
  RLHF_CHECK(found != entries_.end() && found->second.state == State::kClaimed)
      << "task " << task_id << " is not claimed";
  --num_claimed_;
  if (saved) {
    ++num_comparisons_;
    entries_.erase(found);
    RememberAnswered(task_id);
    return;
  }
  // Whoever held it may have taken another task meanwhile.
  Entry& entry = found->second;
  if (entry.before_claim == State::kLeased &&
      holder_of_.try_emplace(entry.worker_id, task_id).second) {
    entry.state = State::kLeased;
    return;
  }
  entry.worker_id.clear();
  entry.state = State::kReady;
  ready_.push_front(task_id);
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
