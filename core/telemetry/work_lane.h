// Threads and a queue for work of one kind that may take long, so that it holds
// up only its own kind.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "core/base/mutex.h"

namespace rlhf {

// Work is begun in the order in which it came. Thread-safe.
class WorkLane {
 public:
  struct Options {
    int num_threads = 2;
    // When so much new work waits to be begun, no more is taken.
    size_t max_waiting = 16;
  };
  using Work = std::function<void()>;

  explicit WorkLane(const Options& options);
  // As Finish.
  ~WorkLane();

  // False, and nothing is done, if too much new work waits or the lane is
  // closed.
  bool TryAdd(Work work);

  // The next step of work that was taken before, which is bounded by that: it
  // waits behind what is there, keeps no new work out, and is refused only by a
  // closed lane.
  bool AddNext(Work work);

  // Takes no more. What was taken is done still; it may ask is_closed, to be
  // short.
  void Close();
  bool is_closed() const;
  // Closes the lane and returns once all is done. One thread may call it, and
  // none of the lane's own.
  void Finish();

 private:
  struct Step {
    Work work;
    bool is_new = false;
  };
  void Run();

  const size_t max_waiting_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Step> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t num_new_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
  // Last: they use what is above.
  std::vector<std::thread> threads_;
};

}  // namespace rlhf
