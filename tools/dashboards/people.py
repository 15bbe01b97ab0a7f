"""The people who compare, and the store of what they said."""

from board import Board, panel, quantiles, rates

GOLDS = "rlhf_feedback_gold_answers_total"
BOARD = Board("people", "RLHF: people",
    "Comparisons, workers, imports and the store.", (
    panel("Comparisons", "In the log.", "count",
          ("rlhf_comparisons_stored{feedback}", "comparisons")),
    panel("Answers per hour", "By what became of them.", "count",
          rates("rlhf_comparisons_total", "{feedback}", "state", per="h")),
    panel("Since the last comparison", "Rises when nobody compares.", "seconds",
          ("time() - (rlhf_last_comparison_timestamp_seconds{feedback} > 0)",
           "silence")),
    panel("Time for one comparison", "From the task shown to the answer.",
          "seconds", *quantiles("rlhf_comparison_duration_seconds",
                                "{feedback}", 10, 50, 90)),
    panel("Tasks", "Ready, and in the hands of workers.", "count",
          ('rlhf_queue_items{feedback,queue="feedback_tasks"}', "ready"),
          ("rlhf_leases_active{feedback}", "with workers")),
    panel("Gold questions", "Answers since start, by outcome.", "count",
          (GOLDS + "{feedback}", "{{result}}")),
    panel("Wrong on golds", "Share in the last hour; above 0.3 somebody does not"
          " read.", "ratio",
          ("sum(increase(" + GOLDS + '{feedback,result="wrong"}[1h])) / '
           "(sum(increase(" + GOLDS + '{feedback,result=~"right|wrong"}[1h]))'
           " > 0)", "wrong")),
    panel("Workers paused", "By the test or by a person.", "count",
          ("rlhf_feedback_workers_paused{feedback}", "paused")),
    panel("Agreement", "Krippendorff's alpha of answers to the same tasks: 1 is"
          " perfect, 0 is chance, below 0.6 is a warning.", "number",
          ("rlhf_feedback_agreement_alpha{feedback}", "alpha"), minimum=None),
    panel("Commits of the store", "Durable, of all answers that waited for one.",
          "seconds", *quantiles("rlhf_store_commit_duration_seconds",
                                "{feedback}", 50, 99)),
    panel("Commits that failed", "Since start.", "count",
          ("sum by (code) (rlhf_store_errors_total{feedback} > 0) or "
           "sum(rlhf_store_errors_total{feedback})", "{{code}}")),
    panel("Responses asked of the actor", "For tasks, by result.", "per_second",
          rates("rlhf_task_generations_total", "{feedback}", "result")),
    panel("Tasks dropped", "Both responses were the same; many: the policy has"
          " little left to say.", "count",
          ("rlhf_tasks_dropped_total{feedback}", "dropped")),
    panel("Imported batches", "Since start, by verdict.", "count",
          ("rlhf_feedback_batches_total{feedback}", "{{verdict}}")),
    panel("What the batch gate found", "Since start, by check.", "count",
          ("rlhf_feedback_batch_findings_total{feedback}", "{{check}}")),
    panel("Requests not let in", "Of the page and its API, by why.",
          "per_second",
          rates("rlhf_http_refusals_total", "{feedback}", "reason")),
    panel("Simulated workers", "Comparisons saved since start.", "count",
          ("sum(rlhf_crowd_answers_total{crowd})", "crowd")),
))
