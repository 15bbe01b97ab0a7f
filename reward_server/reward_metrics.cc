#include "reward_server/reward_metrics.h"

namespace rlhf {

RewardMetrics::RewardMetrics(prometheus::Registry& registry)
    : requests(registry, "rlhf_reward_requests_total",
               "Score requests by result."),
      scored(AddCounter(registry, "rlhf_reward_scored_total",
                        "Dialogues scored.")),
      latency_seconds(
          AddHistogram(registry, "rlhf_reward_latency_seconds",
                       "From a Score request to its answer.",
                       {0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30})),
      batch_items(AddHistogram(registry, "rlhf_reward_batch_items",
                               "Dialogues taken from the queue together.",
                               {1, 2, 4, 8, 16, 32, 64, 128, 256, 512})),
      batch_tokens(
          AddHistogram(registry, "rlhf_reward_batch_tokens",
                       "Tokens of dialogues taken from the queue together.",
                       {16, 64, 256, 1024, 2048, 4096, 8192, 16384, 65536})),
      cache_hits(AddCounter(registry, "rlhf_reward_cache_lookups_total",
                            "Dialogues looked up among earlier scores.",
                            {{"result", "hit"}})),
      cache_misses(AddCounter(registry, "rlhf_reward_cache_lookups_total",
                              "Dialogues looked up among earlier scores.",
                              {{"result", "miss"}})),
      cache_bytes(AddGauge(registry, "rlhf_reward_cache_bytes",
                           "Memory that earlier scores take.")),
      queue_items(AddGauge(registry, "rlhf_queue_items",
                           "Dialogues that wait to be scored.",
                           {{"queue", "reward"}})),
      pm_version(
          AddGauge(registry, "rlhf_pm_version", "PM version that serves.")),
      swaps(AddCounter(registry, "rlhf_pm_swaps_total",
                       "PM versions swapped in since start.")),
      load_failed(AddGauge(registry, "rlhf_pm_load_failed",
                           "1 while the promoted PM cannot be loaded and an "
                           "older one serves, or none.")) {}

}  // namespace rlhf
