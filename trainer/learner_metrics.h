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

  // Notes what update number `update` is trained on, beside what actors
  // generated.
  void CountTrained(const std::vector<v1::Rollout>& rollouts, int64_t update);

  // Sets every gauge that an update changes.
  void ShowUpdate(const v1::UpdateReport& report);

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
  prometheus::Counter& skipped_updates_;
  prometheus::Counter& skipped_steps_;
  prometheus::Counter& restarts_;
  prometheus::Counter& over_optimisation_;
  prometheus::Gauge& kl_coefficient_;
  prometheus::Gauge& reward_mean_;
  prometheus::Gauge& reward_anchored_mean_;
  prometheus::Gauge& kl_k1_per_sequence_;
  prometheus::Gauge& kl_k3_per_sequence_;
  prometheus::Gauge& kl_k1_per_token_;
  prometheus::Gauge& entropy_;
  prometheus::Gauge& clip_ratio_;
  prometheus::Gauge& approx_kl_;
  prometheus::Gauge& explained_variance_;
  prometheus::Gauge& learning_rate_;
  prometheus::Histogram& staleness_;
  prometheus::Gauge& behaviour_weight_mean_;
  prometheus::Gauge& behaviour_weight_capped_;
  prometheus::Gauge& behaviour_effective_;
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
