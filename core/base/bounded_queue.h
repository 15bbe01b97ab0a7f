// A first-in, first-out queue with a capacity. When it is full TryPush refuses,
// so that the producer can push back on its own caller; nothing is dropped.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"

namespace rlhf {

// Thread-safe.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // Returns false, and leaves `item` as it was, if the queue is full or closed.
  bool TryPush(T&& item) {
    MutexLock lock(&mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    changed_.SignalAll();
    return true;
  }

  // Pushes `items` at once, so that no consumer sees only some of them. Returns
  // how many had no room: the last ones.
  size_t TryPushAll(std::vector<T>&& items) {
    MutexLock lock(&mutex_);
    size_t pushed = 0;
    while (pushed < items.size() && !closed_ && items_.size() < capacity_) {
      items_.push_back(std::move(items[pushed++]));
    }
    changed_.SignalAll();
    return items.size() - pushed;
  }

  // Blocks until an item is there, `timeout` passed or the queue was closed.
  // Items pushed before Close are still delivered.
  std::optional<T> Pop(absl::Duration timeout) {
    MutexLock lock(&mutex_);
    const absl::Time deadline = MonotonicNow() + timeout;
    while (items_.empty() && !closed_) {
      const absl::Duration left = deadline - MonotonicNow();
      if (left <= absl::ZeroDuration()) return std::nullopt;
      changed_.WaitFor(&mutex_, left);
    }
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  // Wakes every waiter; later pushes are refused.
  void Close() {
    MutexLock lock(&mutex_);
    closed_ = true;
    changed_.SignalAll();
  }

  bool closed() const {
    MutexLock lock(&mutex_);
    return closed_;
  }

  size_t size() const {
    MutexLock lock(&mutex_);
    return items_.size();
  }

 private:
  const size_t capacity_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rlhf
