#include "reward_server/score_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/rpc/retry_after.h"

namespace rlhf {
namespace {

// What a refused client is told to wait before anything was scored, and at
// least and at most.
constexpr absl::Duration kFirstPause = absl::Milliseconds(200);
constexpr absl::Duration kShortestPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(10);

// Weight of the newest batch in the time of a dialogue.
constexpr double kNewest = 0.2;

int64_t CountTokens(const ScoreJob& job) {
  int64_t count = 0;
  for (const std::vector<int32_t>& sequence : job.sequences) {
    count += static_cast<int64_t>(sequence.size());
  }
  return count;
}

}  // namespace

absl::Status ScoreQueue::Full(size_t size) const {
  const size_t excess = num_waiting_ + size - options_.max_waiting;
  // Until a quarter of the queue is scored, so that those who are refused
  // together do not come back for one place.
  const size_t served = std::max(excess, options_.max_waiting / 4);
  const absl::Duration pause =
      per_dialogue_ == absl::ZeroDuration()
          ? kFirstPause
          : std::clamp(per_dialogue_ * static_cast<int64_t>(served),
                       kShortestPause, kLongestPause);
  return WithRetryAfter(
      absl::ResourceExhaustedError(
          absl::StrCat(num_waiting_, " dialogues wait already, the limit is ",
                       options_.max_waiting, "; try again later")),
      pause);
}

ScoreQueue::Turn ScoreQueue::TurnOf(const ScoreJob& job, int64_t tokens) {
  const uint64_t number = num_added_++;
  if (job.background) return {true, 0, number};
  int64_t& end = ends_[job.client];
  const int64_t start = std::max(end, served_to_);
  end = start + tokens;
  return {false, start, number};
}

absl::Status ScoreQueue::Add(ScoreJob job, absl::Time now) {
  const size_t size = job.sequences.size();
  if (size > options_.max_waiting) {
    return absl::InvalidArgumentError(
        absl::StrCat(size, " dialogues in one request; at most ",
                     options_.max_waiting, " (reward_server.max_queue)"));
  }
  if (num_waiting_ + size > options_.max_waiting) return Full(size);
  // What nobody waits for leaves room for what somebody does.
  if (job.background && 4 * (num_waiting_ + size) > options_.max_waiting) {
    return absl::ResourceExhaustedError("no room for a job of the background");
  }
  num_waiting_ += size;
  const int64_t tokens = CountTokens(job);
  const Turn turn = TurnOf(job, tokens);
  entries_.emplace(
      turn, Entry{.job = std::move(job), .tokens = tokens, .arrival = now});
  return absl::OkStatus();
}

ScoreJob ScoreQueue::Take(Entries::iterator entry) {
  ScoreJob job = std::move(entry->second.job);
  num_waiting_ -= job.sequences.size();
  entries_.erase(entry);
  return job;
}

std::vector<ScoreJob> ScoreQueue::TakeUnwanted(absl::Time now) {
  std::vector<ScoreJob> unwanted;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto entry = it++;
    const ScoreJob& job = entry->second.job;
    if (job.deadline <= now || job.is_cancelled()) {
      unwanted.push_back(Take(entry));
    }
  }
  return unwanted;
}

absl::Time ScoreQueue::DueAt() const {
  size_t num_dialogues = 0;
  int64_t num_tokens = 0;
  absl::Time oldest = absl::InfiniteFuture();
  for (const auto& [turn, entry] : entries_) {
    // Background jobs come last.
    if (entry.job.background) break;
    num_dialogues += entry.job.sequences.size();
    num_tokens += entry.tokens;
    oldest = std::min(oldest, entry.arrival);
    if (num_dialogues >= options_.max_batch_dialogues ||
        num_tokens >= options_.max_batch_tokens) {
      return absl::InfinitePast();
    }
  }
  if (entries_.empty()) return absl::InfiniteFuture();
  return num_dialogues == 0 ? absl::InfinitePast()
                            : oldest + options_.max_delay;
}

std::vector<ScoreJob> ScoreQueue::TakeBatch() {
  std::vector<ScoreJob> batch;
  if (entries_.empty()) return batch;
  const auto [background, start, number] = entries_.begin()->first;
  const LoadedPm* const pm = entries_.begin()->second.job.pm.get();
  if (!background) served_to_ = start;
  size_t num_dialogues = 0;
  int64_t num_tokens = 0;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const auto entry = it++;
    const ScoreJob& job = entry->second.job;
    if (job.background != background ||
        num_tokens >= options_.max_batch_tokens) {
      break;
    }
    const size_t dialogues = num_dialogues + job.sequences.size();
    const int64_t tokens = num_tokens + entry->second.tokens;
    const bool fits = dialogues <= options_.max_batch_dialogues &&
                      tokens <= options_.max_batch_tokens;
    if (!batch.empty() && (job.pm.get() != pm || !fits)) continue;
    num_dialogues = dialogues;
    num_tokens = tokens;
    batch.push_back(Take(entry));
  }
  // Who has nothing beyond what is served starts anew, as all do once nobody
  // waits.
  absl::erase_if(ends_, [this](const auto& client) {
    return entries_.empty() || client.second <= served_to_;
  });
  return batch;
}

std::vector<ScoreJob> ScoreQueue::TakeAll() {
  std::vector<ScoreJob> all;
  while (!entries_.empty()) all.push_back(Take(entries_.begin()));
  return all;
}

void ScoreQueue::NoteScored(size_t num_dialogues, absl::Duration took) {
  if (num_dialogues == 0) return;
  const absl::Duration newest = took / static_cast<int64_t>(num_dialogues);
  per_dialogue_ = per_dialogue_ == absl::ZeroDuration()
                      ? newest
                      : (1 - kNewest) * per_dialogue_ + kNewest * newest;
}

}  // namespace rlhf
