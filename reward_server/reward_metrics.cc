#include "reward_server/reward_metrics.h"

namespace rlhf {

RewardMetrics::RewardMetrics(prometheus::Registry& registry)
    : requests_ok(prometheus::BuildCounter()
                      .Name("rlhf_reward_requests_total")
                      .Help("Score requests by result.")
                      .Register(registry)
                      .Add({{"code", "ok"}})),
      requests_failed(prometheus::BuildCounter()
                          .Name("rlhf_reward_requests_total")
                          .Help("Score requests by result.")
                          .Register(registry)
                          .Add({{"code", "error"}})),
      scored(prometheus::BuildCounter()
                 .Name("rlhf_reward_scored_total")
                 .Help("Dialogues scored.")
                 .Register(registry)
                 .Add({})),
      latency_seconds(
          prometheus::BuildHistogram()
              .Name("rlhf_reward_latency_seconds")
              .Help("From a Score request to its answer.")
              .Register(registry)
              .Add({},
                   prometheus::Histogram::BucketBoundaries{
                       0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30})),
      queue_items(prometheus::BuildGauge()
                      .Name("rlhf_queue_items")
                      .Help("Dialogues that wait to be scored.")
                      .Register(registry)
                      .Add({{"queue", "reward"}})),
      pm_version(prometheus::BuildGauge()
                     .Name("rlhf_pm_version")
                     .Help("PM version that serves.")
                     .Register(registry)
                     .Add({})),
      swaps(prometheus::BuildCounter()
                .Name("rlhf_pm_swaps_total")
                .Help("PM versions swapped in since start.")
                .Register(registry)
                .Add({})) {}

}  // namespace rlhf
