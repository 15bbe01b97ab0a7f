// The Prometheus series that every rank of the learner has (docs/metrics.md).
#pragma once

#include <vector>

#include "core/comm/communicator.h"
#include "core/telemetry/series.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Registers every series once. `registry` must outlive this. For one thread;
// any may read the registry.
class RankMetrics {
 public:
  RankMetrics(prometheus::Registry& registry, int rank);

  // At the start of a learner that goes on from updates made before: the time
  // since the last one counts from here, so that one that never comes is
  // missed.
  void Resume();

  // After an update; `sent` since the beginning, never less than the last time.
  // `response_kl_nats` as PpoTrainer gives it; not looked at if the update was
  // left out.
  void ShowUpdate(const v1::UpdateReport& report, const SentBytes& sent,
                  const std::vector<double>& response_kl_nats);

  // Newer checkpoints that this start passed over because they are damaged.
  prometheus::Gauge& checkpoints_damaged;

 private:
  prometheus::Counter& updates_;
  prometheus::Gauge& last_update_timestamp_;
  prometheus::Histogram& response_kl_;
  prometheus::Counter& sent_in_all_gathers_;
  prometheus::Counter& sent_in_reduce_scatters_;
  prometheus::Counter& sent_in_all_reduces_;
};

}  // namespace rlhf
