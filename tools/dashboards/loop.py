"""The loop at a glance: what one looks at first."""

from board import Board, panel, quantiles, rates

BOARD = Board("loop", "RLHF: the loop at a glance",
    "Reward, KL and comparisons of one run, and the versions behind them.", (
    panel("Reward", "Mean PM score of a batch on the anchor's scale: in standard"
          " deviations of the initial policy's scores, comparable across PM"
          " versions. It should rise.", "number",
          ("rlhf_reward_anchored_mean{learner}", "anchored"), minimum=None),
    panel("KL to the initial policy", "Nats per response, by two estimates."
          " Up to 10 is usual; beyond 20 the policy is far from what it was.",
          "nats", ("rlhf_policy_kl_nats{learner}", "k1"),
          ("rlhf_policy_kl_k3_nats{learner}", "k3"), minimum=None),
    panel("Rewards of single responses", "How the scores of a batch are spread,"
          " on the anchor's scale.", "number",
          *quantiles("rlhf_response_reward_anchored", "{learner}", 10, 50, 90),
          minimum=None),
    panel("KL of single responses", "How far single responses are from the"
          " initial policy (k3). A p99 that runs away from p50: a few prompts"
          " are exploited.", "nats",
          *quantiles("rlhf_response_kl_k3_nats", "{learner}", 50, 90, 99)),
    panel("Reward by member", "A PM of several members: objectives, an"
          " ensemble's models, the test PM. Reward up and test down: the policy"
          " over-optimises.", "number",
          ("rlhf_pm_member_reward_anchored_mean{learner}", "{{member}}"),
          minimum=None),
    panel("Versions", "Policy that was published, PM that rewarded the newest"
          " batch.", "count", ("rlhf_policy_version{learner}", "policy"),
          ("rlhf_pm_version{learner}", "PM")),
    panel("Comparisons", "In the log.", "count",
          ("rlhf_comparisons_stored{feedback}", "comparisons")),
    panel("Comparisons per hour", "By what became of them.", "count",
          rates("rlhf_comparisons_total", "{feedback}", "state", per="h")),
    panel("Updates per hour", "0 for longer than an update takes: the loop"
          " stands still.", "count",
          ("sum(rate(rlhf_ppo_updates_total{learner}[rate])) * 3600"
           " / count(rlhf_learner_rank{learner})", "updates")),
    panel("Where the time goes", "Share of the learner's time by phase;"
          " generation is the wait for rollouts and their rewards. What is"
          " missing to 100 % was lost to restarts and to waiting for a PM.",
          "ratio", rates("rlhf_ppo_phase_duration_seconds_sum", "{learner}",
                         "phase")),
    panel("Entropy", "Of the next token. Near 0 the policy says one thing only"
          " and learns nothing more.", "nats",
          ("rlhf_policy_entropy_nats{learner}", "entropy")),
    panel("What went wrong", "Updates and steps left out, over-optimisation"
          " seen, processes restarted: all since start.", "count",
          ("sum(rlhf_ppo_skipped_updates_total{learner})", "updates left out"),
          ("rlhf_ppo_skipped_steps_total{learner}", "steps left out"),
          ("rlhf_over_optimisation_total{learner}", "over-optimisation"),
          ("sum(rlhf_restarts_total{up})", "restarts")),
))
