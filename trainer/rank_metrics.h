// The Prometheus series that every rank of the learner has (docs/metrics.md).
#pragma once

#include "core/comm/communicator.h"
#include "core/telemetry/series.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Registers every series once. `registry` must outlive this. For one thread;
// any may read the registry.
class RankMetrics {
 public:
  RankMetrics(prometheus::Registry& registry, int rank);

  // After an update; `sent` since the beginning, never less than the last time.
  void ShowUpdate(const v1::UpdateReport& report, const SentBytes& sent);

 private:
  prometheus::Counter& updates_;
  prometheus::Gauge& last_update_timestamp_;
  prometheus::Counter& sent_in_all_gathers_;
  prometheus::Counter& sent_in_reduce_scatters_;
  prometheus::Counter& sent_in_all_reduces_;
};

}  // namespace rlhf
