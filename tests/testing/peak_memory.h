// What LibTorch allocates on one thread, for tests of memory.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>

namespace rlhf {

// Counts from its construction on, on the thread that constructs it.
class PeakMemory {
 public:
  // Allocated since the beginning and not yet freed, and the most there was.
  int64_t now_bytes() const { return counter_->now; }
  int64_t peak_bytes() const { return counter_->peak; }

 private:
  struct Counter final : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, int64_t size, size_t, size_t,
                           c10::Device) override {
      now += size;
      peak = std::max(peak, now);
    }
    bool memoryProfilingEnabled() const override { return true; }
    int64_t now = 0;
    int64_t peak = 0;
  };

  const std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
  const c10::DebugInfoGuard guard_{c10::DebugInfoKind::PROFILER_STATE,
                                   counter_};
};

}  // namespace rlhf
