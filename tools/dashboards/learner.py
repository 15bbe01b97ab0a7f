"""The updates, and what keeps them."""

from board import Board, mean, panel, rates

BOARD = Board("learner", "RLHF: learner",
    "Losses, steps, checkpoints and traffic of the learner's ranks.", (
    panel("Policy loss", "Of the last update, per token.", "number",
          ("rlhf_ppo_policy_loss{learner}", "policy"), minimum=None),
    panel("Value loss", "Of the last update, per token. It falls as the critic"
          " learns.", "number", ("rlhf_ppo_value_loss{learner}", "value")),
    panel("Explained variance", "Share of the returns' variance that the values"
          " foresaw; towards 1. Below 0 the critic is worse than a constant.",
          "ratio", ("rlhf_value_explained_variance_ratio{learner}", "explained"),
          minimum=None),
    panel("Clipped tokens", "Share of tokens that the clip deprives of gradient;"
          " 0.05 to 0.3 is usual.", "ratio",
          ("rlhf_ppo_clip_ratio{learner}", "clipped")),
    panel("KL of one update", "KL(old, new) per token; above 0.1 steps are too"
          " large.", "nats", ("rlhf_ppo_approx_kl_nats{learner}", "old to new"),
          minimum=None),
    panel("Gradient norm", "Before it is clipped at ppo.max_gradient_norm.",
          "number", ("rlhf_ppo_gradient_norm{learner}", "norm")),
    panel("Learning rate", "Of the last update.", "number",
          ("rlhf_learning_rate{learner}", "rate")),
    panel("KL coefficient", "Of the penalty; it moves where ppo.kl_target_nats"
          " is set.", "number", ("rlhf_kl_coefficient{learner}", "beta")),
    panel("Time of one update", "By phase; the mean over the window.", "seconds",
          ("sum by (phase) (rate(rlhf_ppo_phase_duration_seconds_sum{learner}"
           "[rate])) / sum by (phase) (rate("
           "rlhf_ppo_phase_duration_seconds_count{learner}[rate]))",
           "{{phase}}")),
    panel("Since the last update", "Of each rank.", "seconds",
          ("time() - (rlhf_last_update_timestamp_seconds{learner} > 0)",
           "{{instance}}")),
    panel("Left out", "Updates by reason, and optimizer steps whose gradient was"
          " not finite, since start.", "count",
          ("rlhf_ppo_skipped_updates_total{learner}", "updates: {{reason}}"),
          ("rlhf_ppo_skipped_steps_total{learner}", "steps")),
    panel("Checkpoints", "Written since start, by result.", "count",
          ("rlhf_checkpoint_total{learner}", "{{result}}"),
          ("rlhf_checkpoints_damaged{learner}", "damaged at start {{instance}}")),
    panel("Since the last checkpoint", "What a crash now would cost, at most.",
          "seconds", ("time() - (rlhf_last_checkpoint_timestamp_seconds{learner}"
                      " > 0)", "age")),
    panel("KL, mean of responses", "As trained on, k3.", "nats",
          mean("rlhf_response_kl_k3_nats", "{learner}")),
    panel("Between ranks", "Bytes of weights and gradients that ranks sent, by"
          " kind.", "bytes_per_second",
          rates("rlhf_collective_sent_bytes_total", "{learner}", "kind")),
    panel("Weights to actors", "Sent over TCP; 0 where files are mapped.",
          "bytes_per_second",
          ("sum(rate(rlhf_weights_sent_bytes_total{any}[rate]))", "sent")),
    panel("Policy begun again", "At swaps of the PM, since start"
          " (ppo.on_swap.restart_policy).", "count",
          ("rlhf_policy_restarts_total{learner}", "restarts")),
))
