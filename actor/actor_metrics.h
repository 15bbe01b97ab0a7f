// The actor's Prometheus series (docs/metrics.md).
#pragma once

#include "core/telemetry/series.h"

namespace rlhf {

// Registers every series once. `registry` must outlive this. Thread-safe.
class ActorMetrics {
 public:
  explicit ActorMetrics(prometheus::Registry& registry);

  prometheus::Counter& prompt_tokens;
  prometheus::Counter& generated_tokens;
  prometheus::Counter& rollouts_done;
  prometheus::Counter& rollouts_failed;
  prometheus::Gauge& policy_version;
  prometheus::Gauge& sequences_running;
  prometheus::Gauge& sequences_waiting;
  prometheus::Histogram& rollout_tokens;
  prometheus::Histogram& rollout_seconds;
  prometheus::Histogram& inter_token_seconds;
  prometheus::Counter& weights_pulled;
  prometheus::Counter& weights_pulls_failed;
  prometheus::Histogram& weights_pull_seconds;
  prometheus::Counter& weights_from_learner_bytes;
  prometheus::Counter& weights_from_actors_bytes;
  prometheus::Counter& weights_sent_bytes;
  prometheus::Counter& weights_sources_failed;
};

}  // namespace rlhf
