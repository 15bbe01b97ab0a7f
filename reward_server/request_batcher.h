// Puts the requests of all clients together: what waits is scored in forward
// passes that they share, each request by one PM version however many passes it
// takes.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "core/base/mutex.h"
#include "reward_server/score_queue.h"

namespace rlhf {

// Thread-safe. One thread of its own runs the models.
class RequestBatcher {
 public:
  struct Options {
    // Its limits of a batch are also those of one forward pass.
    ScoreQueue::Options queue = {};
    // Told the dialogues and the tokens that are taken from the queue together,
    // by the batcher's thread.
    std::function<void(size_t, int64_t)> on_batch = [](size_t, int64_t) {};
  };

  explicit RequestBatcher(const Options& options);
  // Stops.
  ~RequestBatcher();

  // Queues a job; its `done` is called on the batcher's thread: with
  // DeadlineExceeded or Cancelled if nobody waits for it any more when a pass
  // is to begin, its first or a later one.
  //
  // Errors (then `done` is not called): those of ScoreQueue::Add; Unavailable
  // after Stop.
  absl::Status Add(ScoreJob job);

  // Answers what waits with Unavailable. Returns when the last `done` has.
  void Stop();

  // Dialogues.
  size_t num_waiting() const;

 private:
  void Run();
  // Blocks until a batch is due. Jobs that nobody wants go to `unwanted`; both
  // may be empty. False once stopped.
  bool Take(std::vector<ScoreJob>& batch, std::vector<ScoreJob>& unwanted);
  void Score(std::vector<ScoreJob> batch) const;

  const Options options_;
  mutable Mutex mutex_;
  CondVar changed_;
  ScoreQueue queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace rlhf
