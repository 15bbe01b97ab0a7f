// The way of a call's chunks from the thread that generates to the thread that
// answers. Bounded: who generates never waits, it asks whether there is room,
// and what finds none stays in the engine until there is.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "rlhf/v1/generation.pb.h"

namespace rlhf {

// Thread-safe, for one thread that pushes and one that reads.
class ChunkStream {
 public:
  explicit ChunkStream(size_t capacity) : capacity_(capacity) {}

  // Whether a chunk can be pushed; it stays so until one is.
  bool has_room() const {
    MutexLock lock(&mutex_);
    return chunks_.size() < capacity_;
  }
  // Only with room.
  void Push(v1::GenerateChunk chunk) {
    MutexLock lock(&mutex_);
    chunks_.push_back(std::move(chunk));
    changed_.SignalAll();
  }
  // There will be no further chunk. The first call counts.
  void Finish(absl::Status status) {
    MutexLock lock(&mutex_);
    if (end_.has_value()) return;
    end_ = std::move(status);
    changed_.SignalAll();
  }

  // The next chunk; none if it does not come within `timeout` or at all.
  std::optional<v1::GenerateChunk> Next(absl::Duration timeout) {
    MutexLock lock(&mutex_);
    const absl::Time deadline = MonotonicNow() + timeout;
    while (chunks_.empty() && !end_.has_value()) {
      const absl::Duration left = deadline - MonotonicNow();
      if (left <= absl::ZeroDuration()) return std::nullopt;
      changed_.WaitFor(&mutex_, left);
    }
    if (chunks_.empty()) return std::nullopt;
    std::optional<v1::GenerateChunk> chunk(std::move(chunks_.front()));
    chunks_.pop_front();
    return chunk;
  }
  // How it ended, once every chunk was read.
  std::optional<absl::Status> end() const {
    MutexLock lock(&mutex_);
    return chunks_.empty() ? end_ : std::nullopt;
  }

  // The reader went away.
  void Cancel() {
    MutexLock lock(&mutex_);
    cancelled_ = true;
  }
  bool cancelled() const {
    MutexLock lock(&mutex_);
    return cancelled_;
  }

 private:
  const size_t capacity_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<v1::GenerateChunk> chunks_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rlhf
