// The reward server's Prometheus series (docs/metrics.md).
#pragma once

#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace rlhf {

// Registers every series once. `registry` must outlive this. Thread-safe.
class RewardMetrics {
 public:
  explicit RewardMetrics(prometheus::Registry& registry);

  prometheus::Counter& requests_ok;
  prometheus::Counter& requests_failed;
  prometheus::Counter& scored;
  prometheus::Histogram& latency_seconds;
  prometheus::Gauge& queue_items;
  prometheus::Gauge& pm_version;
  prometheus::Counter& swaps;
};

}  // namespace rlhf
