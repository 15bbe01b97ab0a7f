#include "reward_server/request_batcher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"

namespace rlhf {
namespace {

absl::Status Stopping() {
  return absl::UnavailableError("the reward server is stopping");
}

// Why a job has no scores, which nobody wanted any more while it `did`
// something.
absl::Status Unwanted(const ScoreJob& job, absl::string_view did) {
  if (job.deadline <= MonotonicNow()) {
    return absl::DeadlineExceededError(
        absl::StrCat("the deadline passed while the request ", did));
  }
  return absl::CancelledError("the client went away");
}

// OK as long as somebody waits for one of them.
absl::Status AnyWanted(const std::vector<ScoreJob>& jobs) {
  const absl::Time now = MonotonicNow();
  for (const ScoreJob& job : jobs) {
    if (job.deadline > now && !job.is_cancelled()) return absl::OkStatus();
  }
  return Unwanted(jobs.front(), "was being scored");
}

}  // namespace

RequestBatcher::RequestBatcher(const Options& options)
    : options_(options), queue_(options.queue), thread_([this] { Run(); }) {}

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
    waiting = queue_.TakeAll();
  }
  for (const ScoreJob& job : waiting) job.done(Stopping());
}

absl::Status RequestBatcher::Add(ScoreJob job) {
  MutexLock lock(&mutex_);
  if (stopping_) return Stopping();
  absl::Status added = queue_.Add(std::move(job), MonotonicNow());
  if (added.ok()) changed_.SignalAll();
  return added;
}

size_t RequestBatcher::num_waiting() const {
  MutexLock lock(&mutex_);
  return queue_.num_waiting();
}

bool RequestBatcher::Take(std::vector<ScoreJob>& batch,
                          std::vector<ScoreJob>& unwanted) {
  MutexLock lock(&mutex_);
  while (!stopping_) {
    const absl::Duration wait = queue_.DueAt() - MonotonicNow();
    if (wait <= absl::ZeroDuration()) break;
    changed_.WaitFor(&mutex_, wait);
  }
  if (stopping_) return false;
  unwanted = queue_.TakeUnwanted(MonotonicNow());
  batch = queue_.TakeBatch();
  return true;
}

void RequestBatcher::Run() {
  while (true) {
    std::vector<ScoreJob> batch, unwanted;
    if (!Take(batch, unwanted)) return;
    for (const ScoreJob& job : unwanted) {
      job.done(Unwanted(job, "waited to be scored"));
    }
    if (batch.empty()) continue;
    size_t num_dialogues = 0;
    int64_t num_tokens = 0;
    for (const ScoreJob& job : batch) {
      num_dialogues += job.sequences.size();
      for (const auto& sequence : job.sequences) {
        num_tokens += static_cast<int64_t>(sequence.size());
      }
    }
    options_.on_batch(num_dialogues, num_tokens);
    const Stopwatch watch;
    Score(std::move(batch));
    MutexLock lock(&mutex_);
    queue_.NoteScored(num_dialogues, absl::Seconds(watch.seconds()));
  }
}

void RequestBatcher::Score(std::vector<ScoreJob> batch) const {
  std::vector<std::vector<int32_t>> sequences;
  for (const ScoreJob& job : batch) {
    sequences.insert(sequences.end(), job.sequences.begin(),
                     job.sequences.end());
  }
  const absl::StatusOr<PmScores> scores = ScoreDialogues(
      *batch.front().pm, sequences, options_.queue.max_batch_tokens,
      [&batch] { return AnyWanted(batch); });
  if (!scores.ok()) {
    if (batch.size() == 1) return batch.front().done(scores.status());
    // One client's dialogues must not fail another's, and each is told why it
    // was not scored.
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
