// One line of log on stderr: RLHF_LOG(INFO) << "update " << n;
//
//   2026-11-23T22:03:49.123Z I learner trainer/learner.cc:88] update 3
//
// Severities: INFO, WARNING, ERROR. Thread-safe: a line is written whole.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

enum class LogSeverity { INFO, WARNING, ERROR };

// Names this process in its log lines ("learner", "actor"). Call once, before
// any thread is started.
void SetLogRole(absl::string_view role);

// Lines of this severity that were written since the start.
int64_t CountLogLines(LogSeverity severity);

namespace internal {

class LogLine {
 public:
  LogLine(LogSeverity severity, const char* file, int line);
  ~LogLine();
  LogLine(const LogLine&) = delete;
  LogLine& operator=(const LogLine&) = delete;
  std::ostream& stream() { return stream_; }

 private:
  const LogSeverity severity_;
  std::ostringstream stream_;
};

}  // namespace internal
}  // namespace rlhf

#define RLHF_LOG(severity)                                                     \
  ::rlhf::internal::LogLine(::rlhf::LogSeverity::severity, __FILE__, __LINE__) \
      .stream()
