"""The reward server: whether scores come, how fast, and by which PM."""

from board import Board, mean, panel, quantiles, rates

BOARD = Board("reward-server", "RLHF: reward server",
    "Requests, latency, batches and cache of the reward server's replicas.", (
    panel("Requests", "By status. RESOURCE_EXHAUSTED: a full queue refused"
          " them.", "per_second",
          rates("rlhf_reward_requests_total", "{reward-server}", "code")),
    panel("Failed requests", "Share of those that were not answered with"
          " scores.", "ratio",
          ('1 - sum(rate(rlhf_reward_requests_total{reward-server,code="OK"}'
           "[rate])) / sum(rate(rlhf_reward_requests_total{reward-server}"
           "[rate]))", "failed")),
    panel("Latency", "From a request to its answer, at the server.", "seconds",
          *quantiles("rlhf_reward_latency_seconds", "{reward-server}", 50, 90,
                     99)),
    panel("Dialogues scored", "From the cache or not.", "per_second",
          ("sum(rate(rlhf_reward_scored_total{reward-server}[rate]))",
           "scored")),
    panel("Queue", "Dialogues that wait; the limit is reward_server.max_queue.",
          "count", ('sum by (instance) (rlhf_queue_items{reward-server,'
                    'queue="reward"})', "{{instance}}")),
    panel("Batch", "Dialogues scored together.", "count",
          mean("rlhf_reward_batch_items", "{reward-server}"),
          *quantiles("rlhf_reward_batch_items", "{reward-server}", 99)),
    panel("Tokens of a batch", "Common beginnings counted for each dialogue.",
          "tokens", mean("rlhf_reward_batch_tokens", "{reward-server}")),
    panel("Cache hits", "Share of dialogues that were scored before.", "ratio",
          ('sum(rate(rlhf_reward_cache_lookups_total{reward-server,'
           'result="hit"}[rate])) / sum(rate('
           "rlhf_reward_cache_lookups_total{reward-server}[rate]))", "hits")),
    panel("Memory of the cache", "The limit is"
          " reward_server.score_cache_mib.", "bytes",
          ("rlhf_reward_cache_bytes{reward-server}", "{{instance}}")),
    panel("PM that serves", "Of each replica; they differ only during a swap.",
          "count", ("rlhf_pm_version{reward-server}", "{{instance}}")),
    panel("Swaps", "Since start.", "count",
          ("rlhf_pm_swaps_total{reward-server}", "{{instance}}")),
    panel("Promoted PM not loaded", "1: an older one goes on serving, or none.",
          "count", ("rlhf_pm_load_failed{reward-server}", "{{instance}}")),
))
