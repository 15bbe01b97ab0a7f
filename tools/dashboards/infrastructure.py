"""The processes and the machine below them."""

from board import Board, panel, rates

BOARD = Board("infrastructure", "RLHF: infrastructure",
    "Processes, calls between them, and the machine.", (
    panel("Up", "1: the process answered the last scrape.", "count",
          ("up{any}", "{{role}} {{instance}}")),
    panel("Restarts", "In the last hour, by process.", "count",
          ("sum by (component) (increase(rlhf_restarts_total{up}[1h]))",
           "{{component}}")),
    panel("Running for", "Since the process started.", "seconds",
          ("time() - process_start_time_seconds{any}",
           "{{role}} {{instance}}")),
    panel("Memory", "Resident. A line that only rises is a leak.", "bytes",
          ("process_resident_memory_bytes{any}", "{{role}} {{instance}}")),
    panel("Processor", "Cores in use.", "number",
          ("rate(process_cpu_seconds_total{any}[rate])",
           "{{role}} {{instance}}")),
    panel("Open files", "File descriptors. A line that only rises is a leak.",
          "count", ("process_open_fds{any}", "{{role}} {{instance}}")),
    panel("Log lines", "Warnings and errors in a second.", "per_second",
          ('sum by (role, level) (rate(rlhf_log_messages_total{any,'
           'level=~"warning|error"}[rate]))', "{{role}} {{level}}")),
    panel("Calls by status", "gRPC calls answered.", "per_second",
          rates("grpc_server_handled_total", "{any}", "grpc_code")),
    panel("Slowest calls", "p99 of each method, streams left out.", "seconds",
          ("histogram_quantile(0.99, sum by (le, grpc_service, grpc_method) ("
           'rate(grpc_server_handling_seconds_bucket{any,grpc_type="unary"}'
           "[rate])))", "{{grpc_service}}/{{grpc_method}}")),
    panel("Disk", "Free share of the run's file system.", "ratio",
          ("rlhf_disk_free_bytes{learner} / (rlhf_disk_size_bytes{learner}"
           " > 0)", "free")),
    panel("Clock", "How far the process's clock is from Prometheus'.", "seconds",
          ("rlhf_clock_timestamp_seconds{any} - "
           "timestamp(rlhf_clock_timestamp_seconds{any})",
           "{{role}} {{instance}}"), minimum=None),
    panel("Versions", "How many processes run which build.", "count",
          ("count by (version) (rlhf_build_info{any})", "{{version}}")),
))
