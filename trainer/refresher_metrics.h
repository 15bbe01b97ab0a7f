// The refresher's Prometheus series (docs/metrics.md).
#pragma once

#include "core/telemetry/series.h"

namespace rlhf {

// Registers every series once. `registry` must outlive this. Thread-safe.
struct RefresherMetrics {
  explicit RefresherMetrics(prometheus::Registry& registry);

  prometheus::Counter& refreshes_ok;
  prometheus::Counter& refreshes_failed;
  prometheus::Counter& gate_promoted;
  prometheus::Counter& gate_refused;
  prometheus::Gauge& accuracy;
  prometheus::Gauge& train_comparisons;
  prometheus::Gauge& held_out_comparisons;
  prometheus::Histogram& train_seconds;
};

}  // namespace rlhf
