#include "reward_server/request_batcher.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

absl::Status Stopping() {
  return absl::UnavailableError("the reward server is stopping");
}

int64_t CountTokens(const ScoreJob& job) {
  int64_t count = 0;
  for (const std::vector<int32_t>& sequence : job.sequences) {
    count += static_cast<int64_t>(sequence.size());
  }
  return count;
}

}  // namespace

RequestBatcher::RequestBatcher(const Options& options)
    : options_(options), thread_([this] { Run(); }) {}

RequestBatcher::~RequestBatcher() { Stop(); }

void RequestBatcher::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
  std::vector<ScoreJob> waiting;
  {
    MutexLock lock(&mutex_);
    waiting.swap(waiting_);
    num_waiting_ = 0;
  }
  for (const ScoreJob& job : waiting) job.done(Stopping());
}

absl::Status RequestBatcher::Add(ScoreJob job) {
  const size_t size = job.sequences.size();
  if (size > options_.max_queue) {
    return absl::InvalidArgumentError(
        absl::StrCat(size, " dialogues in one request; at most ",
                     options_.max_queue, " (reward_server.max_queue)"));
  }
  MutexLock lock(&mutex_);
  if (stopping_) return Stopping();
  if (num_waiting_ + size > options_.max_queue) {
    return absl::ResourceExhaustedError(
        absl::StrCat(num_waiting_, " dialogues wait already, the limit is ",
                     options_.max_queue, "; try again later"));
  }
  // What nobody waits for leaves room for what somebody does.
  if (job.background && 4 * (num_waiting_ + size) > options_.max_queue) {
    return absl::ResourceExhaustedError("no room for a job of the background");
  }
  num_waiting_ += size;
  waiting_.push_back(std::move(job));
  changed_.SignalAll();
  return absl::OkStatus();
}

size_t RequestBatcher::num_waiting() const {
  MutexLock lock(&mutex_);
  return num_waiting_;
}

void RequestBatcher::Run() {
  while (true) {
    std::vector<ScoreJob> batch = TakeBatch();
    if (batch.empty()) return;
    std::vector<ScoreJob> wanted;
    for (ScoreJob& job : batch) {
      if (job.is_cancelled()) {
        job.done(absl::CancelledError("the client went away"));
      } else {
        wanted.push_back(std::move(job));
      }
    }
    if (wanted.empty()) continue;
    size_t num_dialogues = 0;
    for (const ScoreJob& job : wanted) num_dialogues += job.sequences.size();
    options_.on_batch(num_dialogues);
    Score(std::move(wanted));
  }
}

std::vector<ScoreJob> RequestBatcher::TakeBatch() {
  MutexLock lock(&mutex_);
  while (waiting_.empty() && !stopping_) changed_.Wait(&mutex_);
  if (stopping_) return {};
  std::vector<ScoreJob> batch, rest;
  auto first =
      std::find_if(waiting_.begin(), waiting_.end(),
                   [](const ScoreJob& job) { return !job.background; });
  if (first == waiting_.end()) first = waiting_.begin();
  std::rotate(waiting_.begin(), first, first + 1);
  const LoadedPm* const pm = waiting_.front().pm.get();
  int64_t tokens_left = options_.max_batch_tokens;
  for (ScoreJob& job : waiting_) {
    const int64_t tokens = CountTokens(job);
    if (batch.empty() || (job.pm.get() == pm && tokens <= tokens_left)) {
      tokens_left -= tokens;
      num_waiting_ -= job.sequences.size();
      batch.push_back(std::move(job));
    } else {
      rest.push_back(std::move(job));
    }
  }
  waiting_ = std::move(rest);
  return batch;
}

void RequestBatcher::Score(std::vector<ScoreJob> batch) const {
  std::vector<std::vector<int32_t>> sequences;
  for (const ScoreJob& job : batch) {
    sequences.insert(sequences.end(), job.sequences.begin(),
                     job.sequences.end());
  }
  const absl::StatusOr<PmScores> scores =
      ScoreDialogues(*batch.front().pm, sequences, options_.max_batch_tokens);
  if (!scores.ok()) {
    if (batch.size() == 1) return batch.front().done(scores.status());
    // One client's dialogues must not fail another's.
    for (ScoreJob& job : batch) Score({std::move(job)});
    return;
  }
  size_t begin = 0;
  for (const ScoreJob& job : batch) {
    job.done(Part(*scores, begin, job.sequences.size()));
    begin += job.sequences.size();
  }
}

}  // namespace rlhf
