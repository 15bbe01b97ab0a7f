#include "core/telemetry/process_metrics.h"

#include <ctime>
#include <string>

#include "core/base/check.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

double Value(const std::string& name) {
  for (const prometheus::MetricFamily& family : ProcessMetrics().Collect()) {
    if (family.name != name) continue;
    return family.metric.at(0).gauge.value + family.metric.at(0).counter.value;
  }
  RLHF_CHECK(false) << "no series " << name;
  return 0;
}

TEST(ProcessMetricsTest, ResidentMemoryIsPlausibleAndBelowItsPeak) {
  EXPECT_GT(Value("process_resident_memory_bytes"), 1e6);
  EXPECT_LE(Value("process_resident_memory_bytes"),
            Value("process_peak_resident_memory_bytes") + 1e6);
}

TEST(ProcessMetricsTest, StartTimeIsWithinTheLastHour) {
  const double now = std::time(nullptr);
  EXPECT_LE(Value("process_start_time_seconds"), now + 2);
  EXPECT_GT(Value("process_start_time_seconds"), now - 3600);
}

TEST(ProcessMetricsTest, ProcessorTimeGrowsWithWork) {
  const double before = Value("process_cpu_seconds_total");
  while (Value("process_cpu_seconds_total") < before + 0.01) {
  }
  EXPECT_LT(before, 60);
}

}  // namespace
}  // namespace rlhf
