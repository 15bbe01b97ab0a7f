// The reward server's Prometheus series (docs/metrics.md).
#pragma once

#include "core/telemetry/series.h"

namespace rlhf {

// Registers every series once. `registry` must outlive this. Thread-safe.
class RewardMetrics {
 public:
  explicit RewardMetrics(prometheus::Registry& registry);

  CounterByCode requests;
  prometheus::Counter& scored;
  prometheus::Histogram& latency_seconds;
  prometheus::Histogram& batch_items;
  prometheus::Histogram& batch_tokens;
  prometheus::Counter& cache_hits;
  prometheus::Counter& cache_misses;
  prometheus::Gauge& cache_bytes;
  prometheus::Gauge& queue_items;
  prometheus::Gauge& pm_version;
  prometheus::Counter& swaps;
  prometheus::Gauge& load_failed;
};

}  // namespace rlhf
