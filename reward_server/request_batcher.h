// Puts the requests of all clients together: what waits is scored in forward
// passes that they share, each request by one PM version.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "reward_server/pm_scores.h"

namespace rlhf {

// One client's dialogues.
struct ScoreJob {
  std::shared_ptr<const LoadedPm> pm;
  std::vector<std::vector<int32_t>> sequences;
  // The scores, or why there are none: called once.
  std::function<void(absl::StatusOr<PmScores>)> done;
  // Whether its client went away; such a job is not scored.
  std::function<bool()> is_cancelled = [] { return false; };
  // Nobody waits for it: it is scored when no other job is there.
  bool background = false;
};

// Thread-safe. One thread of its own runs the models.
class RequestBatcher {
 public:
  struct Options {
    // Tokens in one forward pass, and in the requests that are taken together.
    int64_t max_batch_tokens = 4096;
    // Dialogues that may wait.
    size_t max_queue = 4096;
    // Told the number of dialogues that are taken from the queue together, by
    // the batcher's thread.
    std::function<void(size_t)> on_batch = [](size_t) {};
  };

  explicit RequestBatcher(const Options& options);
  // Stops.
  ~RequestBatcher();

  // Queues a job; its `done` is called on the batcher's thread.
  //
  // Errors (then `done` is not called): InvalidArgument if the queue could
  // never hold it, ResourceExhausted if it is full now, Unavailable after Stop.
  absl::Status Add(ScoreJob job);

  // Answers what waits with Unavailable. Returns when the last `done` has.
  void Stop();

  size_t num_waiting() const;

 private:
  void Run();
  // The oldest job that somebody waits for, else the oldest, and those after it
  // that the same PM scores, as many as one forward pass takes.
  std::vector<ScoreJob> TakeBatch();
  void Score(std::vector<ScoreJob> batch) const;

  const Options options_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<ScoreJob> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t num_waiting_ ABSL_GUARDED_BY(mutex_) = 0;  // dialogues
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rlhf
