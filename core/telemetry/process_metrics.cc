#include "core/telemetry/process_metrics.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/file.h"
#include "core/base/log.h"

namespace rlhf {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily Family(absl::string_view name, absl::string_view help,
                    MetricType type, double value) {
  ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  MetricFamily family;
  family.name = std::string(name);
  family.help = std::string(help);
  family.type = type;
  family.metric.push_back(std::move(metric));
  return family;
}

// The number at `index` (from 0) among the blank-separated words of `text`.
double NumberAt(absl::string_view text, size_t index) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, ' ', absl::SkipWhitespace());
  double value = 0;
  if (index < words.size() && absl::SimpleAtod(words[index], &value)) {
    return value;
  }
  return 0;
}

double ResidentBytes() {
  const auto statm = ReadFile("/proc/self/statm");
  return statm.ok() ? NumberAt(*statm, 1) * ::sysconf(_SC_PAGESIZE) : 0;
}

double StartTimeSeconds() {
  const auto stat = ReadFile("/proc/self/stat");
  const auto system = ReadFile("/proc/stat");
  if (!stat.ok() || !system.ok()) return 0;
  // The process name, in parentheses, may hold blanks; `starttime` is the 20th
  // word after it.
  const absl::string_view after_name =
      absl::string_view(*stat).substr(stat->rfind(')') + 1);
  const size_t boot = system->find("btime ");
  if (boot == std::string::npos) return 0;
  const absl::string_view boot_line =
      absl::string_view(*system).substr(boot, system->find('\n', boot) - boot);
  return NumberAt(boot_line, 1) +
         NumberAt(after_name, 19) / ::sysconf(_SC_CLK_TCK);
}

double Seconds(const timeval& time) {
  return time.tv_sec + time.tv_usec * 1e-6;
}

MetricFamily BuildInfo() {
  MetricFamily family = Family("rlhf_build_info", "Version of this binary.",
                               MetricType::Gauge, 1);
  family.metric.front().label.push_back({"version", RLHF_VERSION});
  return family;
}

MetricFamily LogMessages() {
  constexpr std::pair<LogSeverity, const char*> kLevels[] = {
      {LogSeverity::INFO, "info"},
      {LogSeverity::WARNING, "warning"},
      {LogSeverity::ERROR, "error"}};
  MetricFamily family;
  family.name = "rlhf_log_messages_total";
  family.help = "Lines of log by level.";
  family.type = MetricType::Counter;
  for (const auto& [severity, level] : kLevels) {
    ClientMetric& metric = family.metric.emplace_back();
    metric.label.push_back({"level", level});
    metric.counter.value = static_cast<double>(CountLogLines(severity));
  }
  return family;
}

}  // namespace

std::vector<MetricFamily> ProcessMetrics::Collect() const {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const double resident = ResidentBytes();
  const double open_fds = ListDirectory("/proc/self/fd").size();
  return {
      BuildInfo(),
      Family("process_resident_memory_bytes", "Resident memory size.",
             MetricType::Gauge, resident),
      Family("process_peak_resident_memory_bytes",
             "Largest resident memory size since start.", MetricType::Gauge,
             // The kernel counts it a little later than the other.
             std::max(resident, usage.ru_maxrss * 1024.0)),
      Family("process_cpu_seconds_total", "User and system processor time.",
             MetricType::Counter,
             Seconds(usage.ru_utime) + Seconds(usage.ru_stime)),
      Family("process_start_time_seconds", "Start time since 1970.",
             MetricType::Gauge, StartTimeSeconds()),
      Family("process_open_fds", "Open file descriptors.", MetricType::Gauge,
             open_fds),
      Family("rlhf_clock_timestamp_seconds",
             "What this machine's clock says, seconds since 1970.",
             MetricType::Gauge,
             absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch())),
      LogMessages(),
  };
}

}  // namespace rlhf
