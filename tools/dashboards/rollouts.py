"""What actors do, and what reaches the learner of it."""

from board import Board, mean, panel, quantiles, rates

BOARD = Board("rollouts", "RLHF: rollouts",
    "Generation, and what the learner takes of it.", (
    panel("Rollouts", "Taken by the learner and refused.", "per_second",
          rates("rlhf_rollouts_total", "{learner}", "state")),
    panel("Rollouts refused", "By reason. Stale ones are work thrown away;"
          " refused ones a fault of an actor.", "per_second",
          rates("rlhf_rollouts_rejected_total", "{learner}", "reason")),
    panel("Tokens", "Sampled, and of prompts.", "per_second",
          ("sum(rate(rlhf_generated_tokens_total{actor}[rate]))", "generated"),
          ("sum(rate(rlhf_prompt_tokens_total{actor}[rate]))", "prompt")),
    panel("Duration of a rollout", "From a leased prompt to the end of its"
          " response.", "seconds",
          *quantiles("rlhf_rollout_duration_seconds", "{actor}", 50, 99)),
    panel("From token to token", "One step of the engine, for every sequence in"
          " it.", "seconds",
          *quantiles("rlhf_inter_token_latency_seconds", "{actor}", 50, 99)),
    panel("Length of a response", "Trained far from generated: long responses"
          " come too late and are lost.", "tokens",
          mean("rlhf_rollout_tokens", '{actor,stage="generated"}', "generated"),
          mean("rlhf_rollout_tokens", '{learner,stage="trained"}', "trained")),
    panel("Responses that end by themselves", "The others are cut at"
          " sampling.max_new_tokens.", "ratio",
          ("rlhf_rollout_finished_ratio{learner}", "ended")),
    panel("Staleness", "Policy versions that trained rollouts are behind.",
          "count", *quantiles("rlhf_rollout_staleness_versions", "{learner}",
                              50, 99)),
    panel("Policy version", "Of the learner, and of each actor: an actor that"
          " stays behind does not get weights.", "count",
          ("rlhf_policy_version{learner}", "learner"),
          ("rlhf_policy_version{actor}", "actor {{instance}}")),
    panel("Sequences in the engine", "Waiting ones want room in the batch or"
          " in the cache of keys and values.", "count",
          ("sum by (queue) (rlhf_queue_items{actor})", "{{queue}}")),
    panel("Leases", "Prompts that actors are sampling.", "count",
          ("rlhf_leases_active{learner}", "leases")),
    panel("Fetching weights", "And proving them.", "seconds",
          *quantiles("rlhf_weights_pull_duration_seconds", "{actor}", 50, 99)),
    panel("Weights fetched", "By result, in an hour.", "count",
          rates("rlhf_weights_pull_total", "{actor}", "result", per="h")),
    panel("Weights on the network", "Received by actors, by who sent them; 0"
          " where files are mapped.", "bytes_per_second",
          rates("rlhf_weights_received_bytes_total", "{actor}", "source")),
    panel("Actor against learner", "Largest difference of the log-probability of"
          " one token: above 0.1 the two do not compute the same.", "nats",
          ("rlhf_behaviour_mismatch_max_nats{learner}", "largest")),
    panel("Off-policy correction", "Effective share of tokens, and share at the"
          " cap.", "ratio",
          ("rlhf_behaviour_effective_ratio{learner}", "effective"),
          ("rlhf_behaviour_weight_capped_ratio{learner}", "capped")),
))
