#include "actor/actor_metrics.h"

namespace rlhf {
ActorMetrics::ActorMetrics(prometheus::Registry& registry)
    : prompt_tokens(AddCounter(registry, "rlhf_prompt_tokens_total",
                               "Prompt tokens of admitted requests.")),
      generated_tokens(AddCounter(registry, "rlhf_generated_tokens_total",
                                  "Tokens sampled.")),
      rollouts_done(AddCounter(registry, "rlhf_rollouts_total",
                               "Rollouts by how they ended here.",
                               {{"state", "done"}})),
      rollouts_failed(AddCounter(registry, "rlhf_rollouts_total",
                                 "Rollouts by how they ended here.",
                                 {{"state", "failed"}})),
      policy_version(AddGauge(registry, "rlhf_policy_version",
                              "Policy version that samples.")),
      sequences_running(AddGauge(registry, "rlhf_queue_items",
                                 "Sequences in the engine.",
                                 {{"queue", "generation_running"}})),
      sequences_waiting(AddGauge(registry, "rlhf_queue_items",
                                 "Sequences in the engine.",
                                 {{"queue", "generation_waiting"}})),
      rollout_tokens(AddHistogram(
          registry, "rlhf_rollout_tokens", "Response tokens of a rollout.",
          {1, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048},
          {{"stage", "generated"}})),
      rollout_seconds(
          AddHistogram(registry, "rlhf_rollout_duration_seconds",
                       "From a leased prompt to the end of its response.",
                       {0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000})),
      inter_token_seconds(AddHistogram(
          registry, "rlhf_inter_token_latency_seconds",
          "One step of the engine: from a token of each running sequence to "
          "its next.",
          {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10})),
      weights_pulled(AddCounter(registry, "rlhf_weights_pull_total",
                                "Policy versions fetched and verified.",
                                {{"result", "ok"}})),
      weights_pulls_failed(AddCounter(registry, "rlhf_weights_pull_total",
                                      "Policy versions fetched and verified.",
                                      {{"result", "failed"}})),
      weights_pull_seconds(
          AddHistogram(registry, "rlhf_weights_pull_duration_seconds",
                       "Fetching and verifying one policy version.",
                       {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300})),
      weights_from_learner_bytes(
          AddCounter(registry, "rlhf_weights_received_bytes_total",
                     "Bytes of weights received over TCP and proven.",
                     {{"source", "learner"}})),
      weights_from_actors_bytes(
          AddCounter(registry, "rlhf_weights_received_bytes_total",
                     "Bytes of weights received over TCP and proven.",
                     {{"source", "actor"}})),
      weights_sent_bytes(
          AddCounter(registry, "rlhf_weights_sent_bytes_total",
                     "Bytes of weights sent to actors over TCP.")),
      weights_sources_failed(AddCounter(
          registry, "rlhf_weights_sources_failed_total",
          "Sources of weights that broke, stood still or sent damage.")) {}

}  // namespace rlhf
