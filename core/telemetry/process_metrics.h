// What Prometheus expects to know of any process (memory, processor time, start
// time, file descriptors) and the build of this one.
#pragma once

#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace rlhf {

// Reads /proc whenever it is asked, so that every scrape is fresh. Series:
//   rlhf_build_info{version}                always 1
//   process_resident_memory_bytes           now
//   process_peak_resident_memory_bytes      largest since start
//   process_cpu_seconds_total               user and system time
//   process_start_time_seconds              since 1970
//   process_open_fds
//   rlhf_clock_timestamp_seconds            this machine's clock at the scrape
//   rlhf_log_messages_total{level}          info, warning, error
// Thread-safe.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace rlhf
