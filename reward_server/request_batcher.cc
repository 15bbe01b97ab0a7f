#include "reward_server/request_batcher.h"

#include "absl/strings/str_cat.h"
#include "core/nn/sequence_scores.h"

namespace rlhf {

RequestBatcher::RequestBatcher(const Options& options)
    : options_(options), thread_([this] { Run(); }) {}

RequestBatcher::~RequestBatcher() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  thread_.join();
  std::vector<Request> waiting;
  {
    MutexLock lock(&mutex_);
    waiting.swap(waiting_);
    num_waiting_ = 0;
  }
  for (const Request& request : waiting) {
    request.done(absl::UnavailableError("the reward server is stopping"));
  }
}

absl::Status RequestBatcher::Add(std::shared_ptr<const LoadedPm> pm,
                                 std::vector<std::vector<int32_t>> sequences,
                                 ScoreCallback done) {
  MutexLock lock(&mutex_);
  if (num_waiting_ + sequences.size() > options_.max_queue) {
    return absl::ResourceExhaustedError(
        absl::StrCat(num_waiting_, " dialogues wait already, the limit is ",
                     options_.max_queue, "; try again later"));
  }
  num_waiting_ += sequences.size();
  waiting_.push_back({.pm = std::move(pm),
                      .sequences = std::move(sequences),
                      .done = std::move(done)});
  changed_.SignalAll();
  return absl::OkStatus();
}

size_t RequestBatcher::num_waiting() const {
  MutexLock lock(&mutex_);
  return num_waiting_;
}

void RequestBatcher::Run() {
  while (true) {
    std::vector<Request> batch = TakeBatch();
    if (batch.empty()) return;
    Score(std::move(batch));
  }
}

std::vector<RequestBatcher::Request> RequestBatcher::TakeBatch() {
  MutexLock lock(&mutex_);
  while (waiting_.empty() && !stopping_) changed_.Wait(&mutex_);
  if (stopping_) return {};
  std::vector<Request> batch, rest;
  const LoadedPm* const pm = waiting_.front().pm.get();
  for (Request& request : waiting_) {
    if (request.pm.get() == pm) {
      num_waiting_ -= request.sequences.size();
      batch.push_back(std::move(request));
    } else {
      rest.push_back(std::move(request));
    }
  }
  waiting_ = std::move(rest);
  return batch;
}

void RequestBatcher::Score(std::vector<Request> batch) const {
  std::vector<std::vector<int32_t>> sequences;
  for (const Request& request : batch) {
    sequences.insert(sequences.end(), request.sequences.begin(),
                     request.sequences.end());
  }
  const absl::StatusOr<std::vector<float>> scores = ScoreSequences(
      batch.front().pm->model, sequences, options_.max_batch_tokens);
  if (!scores.ok()) {
    if (batch.size() == 1) return batch.front().done(scores.status());
    // One client's dialogues must not fail another's.
    for (Request& request : batch) Score({std::move(request)});
    return;
  }
  size_t begin = 0;
  for (const Request& request : batch) {
    const auto first = scores->begin() + static_cast<ptrdiff_t>(begin);
    begin += request.sequences.size();
    request.done(std::vector<float>(
        first, scores->begin() + static_cast<ptrdiff_t>(begin)));
  }
}

}  // namespace rlhf
