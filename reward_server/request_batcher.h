// Puts the requests of all clients together: one forward pass scores what
// waits, each request by one PM version.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "reward_server/pm_slots.h"

namespace rlhf {

// The scores of one request, or why there are none.
using ScoreCallback = std::function<void(absl::StatusOr<std::vector<float>>)>;

// Thread-safe. One thread of its own runs the models.
class RequestBatcher {
 public:
  struct Options {
    // Tokens in one forward pass.
    int64_t max_batch_tokens = 4096;
    // Dialogues that may wait.
    size_t max_queue = 4096;
  };

  explicit RequestBatcher(const Options& options);
  // Answers what waits with Unavailable.
  ~RequestBatcher();

  // Queues `sequences` to be scored by `pm`; `done` is called once, on the
  // batcher's thread.
  //
  // Errors (then `done` is not called): ResourceExhausted if the queue is full.
  absl::Status Add(std::shared_ptr<const LoadedPm> pm,
                   std::vector<std::vector<int32_t>> sequences,
                   ScoreCallback done);

  size_t num_waiting() const;

 private:
  struct Request {
    std::shared_ptr<const LoadedPm> pm;
    std::vector<std::vector<int32_t>> sequences;
    ScoreCallback done;
  };

  void Run();
  // The oldest request and all others that wait for the same PM.
  std::vector<Request> TakeBatch();
  void Score(std::vector<Request> batch) const;

  const Options options_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<Request> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t num_waiting_ ABSL_GUARDED_BY(mutex_) = 0;  // dialogues
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rlhf
