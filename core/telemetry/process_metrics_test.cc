#include "core/telemetry/process_metrics.h"

#include <ctime>
#include <string>

#include "core/base/check.h"
#include "core/base/log.h"
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
            Value("process_peak_resident_memory_bytes"));
}

TEST(ProcessMetricsTest, StartTimeIsWithinTheLastHour) {
  const double now = std::time(nullptr);
  EXPECT_LE(Value("process_start_time_seconds"), now + 2);
  EXPECT_GT(Value("process_start_time_seconds"), now - 3600);
}

TEST(ProcessMetricsTest, ClockIsThatOfThisMachine) {
  const double before = std::time(nullptr);
  EXPECT_GE(Value("rlhf_clock_timestamp_seconds"), before);
  EXPECT_LE(Value("rlhf_clock_timestamp_seconds"), std::time(nullptr) + 1);
}

TEST(ProcessMetricsTest, ProcessorTimeGrowsWithWork) {
  const double before = Value("process_cpu_seconds_total");
  while (Value("process_cpu_seconds_total") < before + 0.01) {
  }
  EXPECT_LT(before, 60);
}

// The value of the series of rlhf_log_messages_total with this level.
double LogMessages(const std::string& level) {
  for (const prometheus::MetricFamily& family : ProcessMetrics().Collect()) {
    if (family.name != "rlhf_log_messages_total") continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      if (metric.label.at(0).value == level) return metric.counter.value;
    }
  }
  return -1;
}

TEST(ProcessMetricsTest, LogLinesAreCountedByLevel) {
  const double info = LogMessages("info"), warnings = LogMessages("warning");
  RLHF_LOG(WARNING) << "smoke";
  EXPECT_EQ(LogMessages("info"), info);
  EXPECT_EQ(LogMessages("warning"), warnings + 1);
}

}  // namespace
}  // namespace rlhf
