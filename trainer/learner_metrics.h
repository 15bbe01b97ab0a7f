// The Prometheus series of the learner's rank 0 (docs/metrics.md).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/telemetry/series.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/rollout.pb.h"

namespace rlhf {

// Registers every series once. `registry` must outlive this. Thread-safe.
class LearnerMetrics {
 public:
  explicit LearnerMetrics(prometheus::Registry& registry);

  // Counts one submitted rollout by what became of it.
  void CountRollout(v1::RolloutAck::Status status);

  // Notes what an update is trained on, beside what actors generated: the
  // batch of that header.
  void CountTrained(const v1::BatchHeader& header,
                    const std::vector<v1::Rollout>& rollouts);

  // Sets every gauge that an update changes.
  void ShowUpdate(const v1::UpdateReport& report);

  // Notes how much room there is where `directory` is.
  void ShowDisk(const std::string& directory);

  prometheus::Gauge& policy_version;
  prometheus::Gauge& pm_version;
  prometheus::Gauge& leases_active;
  prometheus::Counter& weights_published;
  prometheus::Counter& weights_sent_bytes;
  prometheus::Counter& checkpoints;
  prometheus::Counter& checkpoint_failures;
  prometheus::Gauge& last_checkpoint_timestamp;

 private:
  // Made when a PM of several members first rewards.
  void ShowMember(const v1::MemberReport& member);

  prometheus::Registry& registry_;
  std::map<v1::RolloutAck::Status, prometheus::Counter*> rejected_by_;
  prometheus::Gauge& disk_free_;
  prometheus::Gauge& disk_size_;
  prometheus::Counter& skipped_updates_;
  prometheus::Counter& skipped_steps_;
  prometheus::Counter& restarts_;
  prometheus::Counter& over_optimisation_;
  // What an update's report says, in the order of the table in the .cc.
  std::vector<prometheus::Gauge*> of_update_;
  prometheus::Histogram& response_reward_;
  prometheus::Histogram& staleness_;
  prometheus::Histogram& trained_tokens_;
  prometheus::Histogram& generation_phase_;
  prometheus::Histogram& advantage_phase_;
  prometheus::Histogram& update_phase_;
  prometheus::Histogram& broadcast_phase_;
  prometheus::Histogram& checkpoint_phase_;
  prometheus::Counter& rollouts_done_;
  prometheus::Counter& rollouts_rejected_;
};

}  // namespace rlhf
