"""For each alert what makes it fire and what, though near it, does not.

Series have a sample a minute from time 0, in promtool's notation: `a+bxn` is a
and n more, each b higher. Other labels than the metric's own: see `series`.
"""

import dataclasses

ROLES = {"rlhf_restarts": "up", "rlhf_reward_requests": "reward-server",
         "rlhf_reward_latency": "reward-server", "rlhf_pm_load": "reward-server",
         "rlhf_pm_gate": "refresher", "rlhf_pm_refresh": "refresher",
         "rlhf_feedback": "feedback", "rlhf_store": "feedback",
         "rlhf_http": "feedback", "rlhf_last_comparison": "feedback",
         "rlhf_queue_items": "feedback"}


# Rules are evaluated every minute, in longer cases every five.
LONG, LONG_STEP = 30, 5


@dataclasses.dataclass(frozen=True)
class Case:
    alert: str
    # Minutes; those after LONG are whole steps of LONG_STEP.
    at: int
    # Series of which the alert fires, and of which none does.
    fires: dict
    quiet: dict
    # What fires; else the alert as a warning.
    severities: tuple = ("warning",)


def series(name):
    """The series as Prometheus has it after a scrape."""
    metric, _, labels = name.rstrip("}").partition("{")
    roles = [role for start, role in ROLES.items() if metric.startswith(start)]
    role = roles[0] if roles else "learner"
    own = [labels] if labels else []
    if 'role="' in labels:
        return f'{metric}{{{labels},job="rlhf",instance="another:1"}}'
    return (metric + "{" + ",".join(
        [*own, 'job="rlhf"', f'instance="{role}:1"', f'role="{role}"']) + "}")


LAST, UPDATES = "rlhf_last_update_timestamp_seconds", "rlhf_ppo_updates_total"
PHASE = 'rlhf_ppo_phase_duration_seconds_sum{phase="update"}'
PHASES = 'rlhf_ppo_phase_duration_seconds_count{phase="update"}'
DONE = 'rlhf_rollouts_total{state="done"}'
STALE = 'rlhf_rollouts_rejected_total{reason="stale"}'
KL, SKIPPED = "rlhf_policy_kl_nats", "rlhf_ppo_skipped_updates_total"
SCORED = 'rlhf_reward_requests_total{code="OK"}'
FAILED = 'rlhf_reward_requests_total{code="UNAVAILABLE"}'
FULL = 'rlhf_reward_requests_total{code="RESOURCE_EXHAUSTED"}'
REFUSED = 'rlhf_pm_gate_total{result="refused"}'
PROMOTED = 'rlhf_pm_gate_total{result="promoted"}'
WRONG = 'rlhf_feedback_gold_answers_total{result="wrong"}'
RIGHT = 'rlhf_feedback_gold_answers_total{result="right"}'
READY = 'rlhf_queue_items{queue="feedback_tasks"}'


def lengths(stage, per_minute, count):
    """Histogram of `count` responses a minute with so many tokens together."""
    return {f'rlhf_rollout_tokens_sum{{stage="{stage}"}}': f"0+{per_minute}x90",
            f'rlhf_rollout_tokens_count{{stage="{stage}"}}': f"0+{count}x90"}


def histogram(name, slow):
    """Ten a minute: in the bucket up to `slow`, or in the one below."""
    bounds = {"rlhf_reward_latency_seconds": ("5", "30"),
              "rlhf_store_commit_duration_seconds": ("0.1", "0.5")}[name]
    quick = "0+0x30" if slow else "0+10x30"
    return {f'{name}_bucket{{le="{bounds[0]}"}}': quick,
            f'{name}_bucket{{le="{bounds[1]}"}}': "0+10x30",
            f'{name}_bucket{{le="+Inf"}}': "0+10x30"}


ONCE, NEVER = "0+0x10 1+0x120", "0+0x120"
# Updates of a minute until an hour is over, then silence.
STOPPED = "0+60x60 3600+0x60"
# Updates of twenty minutes.
SLOW = "0+0x19 1200+0x19 2400+0x19 3600+0x40"
# Not missed yet after 20 minutes.
UNHURRIED = {LAST: STOPPED, PHASE: "0+1200x60 72000+0x60",
             PHASES: "0+1x60 60+0x60"}
# Of two hours.
HOURS = "0+0x119 7200+0x119 14400+0x119 21600+0x140"

CASES = (
    Case("RlhfTargetDown", 11, {"up": "1+0x5 0+0x10"}, {"up": "1+0x9 0+0x5"},
         ("critical",)),
    # The end of a crowd is no fault, and hides none.
    Case("RlhfTargetDown", 11,
         {"up": "1+0x5 0+0x10", 'up{role="crowd"}': "1+0x5 0+0x10"},
         {"up": "1+0x20", 'up{role="crowd"}': "1+0x5 0+0x10"}, ("critical",)),
    Case("RlhfNoProgress", 80,
         {LAST: STOPPED, PHASE: STOPPED, PHASES: "0+1x60 60+0x60"},
         {LAST: SLOW, PHASE: SLOW, PHASES: "0+0x19 1+0x19 2+0x19 3+0x40"},
         ("critical",)),
    # The last six hours have nothing to tell; or tell of updates of two hours.
    Case("RlhfNoProgress", 480,
         {LAST: "0+60x60 3600+0x440", PHASE: "0+60x60 3600+0x440",
          PHASES: "0+1x60 60+0x440"},
         {LAST: HOURS, PHASE: HOURS, PHASES: "0+0x119 1+0x119 2+0x119 3+0x140"},
         ("critical",)),
    # Started again after an hour, it makes no further update; or one of its own
    # usual length.
    Case("RlhfNoProgress", 80,
         {LAST: STOPPED, PHASE: "0+60x60 0+0x60", PHASES: "0+1x60 0+0x60"},
         {LAST: "0+0x19 1200+0x19 2400+0x19 3600+0x60",
          PHASE: "0+0x19 1200+0x19 2400+0x19 0+0x60",
          PHASES: "0+0x19 1+0x19 2+0x19 0+0x60"}, ("critical",)),
    Case("RlhfNoRollouts", 80, UNHURRIED | {DONE: "0+4x60 240+0x60"},
         UNHURRIED | {DONE: "0+4x120"}, ("critical",)),
    Case("RlhfRestartLoop", 20,
         {'rlhf_restarts_total{component="actor",reason="signal"}': "0+1x20"},
         {'rlhf_restarts_total{component="actor",reason="signal"}': ONCE},
         ("critical",)),
    Case("RlhfUpdatesSkipped", 15, {SKIPPED + '{reason="diverged"}': ONCE},
         {SKIPPED + '{reason="diverged"}': "1+0x120"}),
    Case("RlhfKlTooHigh", 10, {KL: "12+0x20"}, {KL: "8+0x2 30+0x2 8+0x20"}),
    Case("RlhfKlTooHigh", 10, {KL: "25+0x20"}, {KL: "9.9+0x20"},
         ("warning", "critical")),
    Case("RlhfEntropyCollapse", 20,
         {"rlhf_policy_entropy_nats": "0.05+0x30", LAST: "60+60x30"},
         {"rlhf_policy_entropy_nats": "0+0x30", LAST: "0+0x30"}),
    Case("RlhfRewardJump", 50,
         {"rlhf_reward_anchored_mean": "0+0x40 3+0x10",
          "rlhf_pm_version": "1+0x60"},
         {"rlhf_reward_anchored_mean": "0+0x40 3+0x10",
          "rlhf_pm_version": "1+0x40 2+0x20"}),
    Case("RlhfOverOptimisation", 15, {"rlhf_over_optimisation_total": ONCE},
         {"rlhf_over_optimisation_total": "3+0x30"}),
    Case("RlhfLengthDrift", 80,
         lengths("trained", 100, 10) | lengths("generated", 200, 10),
         lengths("trained", 180, 10) | lengths("generated", 200, 10)),
    Case("RlhfStalenessHigh", 25, {STALE: "0+2x30", DONE: "0+4x30"},
         {STALE: "0+1x30", DONE: "0+20x30"}),
    Case("RlhfRewardErrors", 20, {SCORED: "0+97x30", FAILED: "0+3x30"},
         {SCORED: "0+199x30", FAILED: "0+1x30"}),
    Case("RlhfRewardErrors", 20, {SCORED: "0+90x30", FAILED: "0+10x30"},
         {SCORED: "0+0x30", FAILED: "0+0x30"}, ("warning", "critical")),
    Case("RlhfRewardSlow", 20, histogram("rlhf_reward_latency_seconds", True),
         histogram("rlhf_reward_latency_seconds", False)),
    Case("RlhfQueueFull", 20, {FULL: "0+1x30", SCORED: "0+999x30"},
         {FULL: "0+0x3 5+0x30", SCORED: "0+999x30"}),
    Case("RlhfPmLoadFailed", 5, {"rlhf_pm_load_failed": "1+0x10"},
         {"rlhf_pm_load_failed": "0+0x2 1+0x1 0+0x10"}, ("critical",)),
    Case("RlhfPmGateRejected", 45,
         {REFUSED: "0+0x10 1+0x10 2+0x10 3+0x30", PROMOTED: "1+0x60"},
         {REFUSED: "0+0x10 1+0x10 2+0x10 3+0x30", PROMOTED: ONCE}),
    Case("RlhfPmRefreshFailed", 15,
         {'rlhf_pm_refresh_total{result="failed"}': ONCE},
         {'rlhf_pm_refresh_total{result="ok"}': ONCE,
          'rlhf_pm_refresh_total{result="failed"}': NEVER}),
    Case("RlhfNoComparisons", 70,
         {"rlhf_last_comparison_timestamp_seconds": "60+0x120",
          READY: "3+0x120"},
         {"rlhf_last_comparison_timestamp_seconds": "60+0x120",
          READY: "0+0x120"}),
    Case("RlhfAgreementLow", 70, {"rlhf_feedback_agreement_alpha": "0.4+0x80"},
         {"rlhf_feedback_agreement_alpha": "0.7+0x80"}),
    Case("RlhfSpamWave", 50, {WRONG: "0+1x60", RIGHT: "0+1x60"},
         {WRONG: "0+0x10 5+0x60", RIGHT: "0+0x10 5+0x60"}),
    Case("RlhfSpamWave", 50,
         {"rlhf_feedback_workers_paused": "0+0x10 4+0x60"},
         {"rlhf_feedback_workers_paused": "5+0x60"}),
    Case("RlhfAuthDenied", 20,
         {'rlhf_http_refusals_total{reason="not_logged_in"}': "0+60x30"},
         {'rlhf_http_refusals_total{reason="not_logged_in"}': "0+6x30"}),
    Case("RlhfStoreSlow", 20,
         histogram("rlhf_store_commit_duration_seconds", True),
         histogram("rlhf_store_commit_duration_seconds", False)),
    Case("RlhfStoreErrors", 12,
         {'rlhf_store_errors_total{code="RESOURCE_EXHAUSTED"}': ONCE},
         {'rlhf_store_errors_total{code="RESOURCE_EXHAUSTED"}': "1+0x30"},
         ("critical",)),
    Case("RlhfCheckpointFailed", 15,
         {'rlhf_checkpoint_total{result="failed"}': ONCE},
         {'rlhf_checkpoint_total{result="ok"}': ONCE,
          'rlhf_checkpoint_total{result="failed"}': NEVER}, ("critical",)),
    Case("RlhfCheckpointStale", 130,
         {"rlhf_last_checkpoint_timestamp_seconds": "0+0x200",
          "process_start_time_seconds": "60+0x200", UPDATES: "0+1x200"},
         {"rlhf_last_checkpoint_timestamp_seconds": "0+0x200",
          "process_start_time_seconds": "60+0x200", UPDATES: "0+1x5 5+0x200"}),
    Case("RlhfCheckpointCorrupt", 2, {"rlhf_checkpoints_damaged": "2+0x5"},
         {"rlhf_checkpoints_damaged": "0+0x5"}),
    Case("RlhfDiskLow", 10,
         {"rlhf_disk_free_bytes": "5+0x20", "rlhf_disk_size_bytes": "100+0x20"},
         {"rlhf_disk_free_bytes": "0+0x20", "rlhf_disk_size_bytes": "0+0x20"}),
    Case("RlhfClockSkew", 10, {"rlhf_clock_timestamp_seconds": "5+60x20"},
         {"rlhf_clock_timestamp_seconds": "0.3+60x20"}),
)
