"""How preference models come, pass the gate and serve."""

from board import Board, mean, panel, rates

BOARD = Board("pm-lifecycle", "RLHF: PM lifecycle",
    "From comparisons to a PM that serves.", (
    panel("PMs made", "Attempts since start, by result.", "count",
          ("rlhf_pm_refresh_total{refresher}", "{{result}}")),
    panel("The gate", "Verdicts since start.", "count",
          ("rlhf_pm_gate_total{refresher}", "{{result}}")),
    panel("Held-out accuracy", "Of the newest PM. 0.5 is a coin; people agree"
          " with each other in 0.65 to 0.8.", "ratio",
          ("rlhf_pm_accuracy_ratio{refresher}", "{{split}}")),
    panel("Comparisons of the newest PM", "Trained on and held out. With few"
          " held out the accuracy means little.", "count",
          ("rlhf_pm_comparisons{refresher}", "{{split}}")),
    panel("Training of a PM", "The mean over the window.", "seconds",
          mean("rlhf_pm_train_duration_seconds", "{refresher}")),
    panel("PMs trained", "In an hour.", "count",
          ("sum(rate(rlhf_pm_train_duration_seconds_count{refresher}[rate]))"
           " * 3600", "trained")),
    panel("Version", "That serves, and that rewarded the newest batch.", "count",
          ("rlhf_pm_version{reward-server}", "serves at {{instance}}"),
          ("rlhf_pm_version{learner}", "newest batch")),
    panel("Reward under each PM", "As the PM gave it and on the anchor's scale:"
          " only the second may be compared across versions.", "number",
          ("rlhf_reward_mean{learner}", "as given"),
          ("rlhf_reward_anchored_mean{learner}", "anchored"), minimum=None),
    panel("Spread of the reward", "Standard deviation within a batch, log-odds."
          " Near 0 the PM tells nothing apart.", "number",
          ("rlhf_reward_stddev{learner}", "deviation")),
    panel("Over-optimisation", "Times that the sentinel saw reward rise while"
          " the test PM's fell.", "count",
          ("rlhf_over_optimisation_total{learner}", "seen")),
    panel("Calls at the refresher", "By status.", "per_second",
          rates("grpc_server_handled_total", "{refresher}", "grpc_code")),
))
