#include "core/base/log.h"

#include <unistd.h>

#include <cstring>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace rlhf {
namespace {

// Set once before threads start, read ever after.
std::string& Role() {
  static auto* const role = new std::string("rlhf");
  return *role;
}

// The last folder and the file name: enough to find the line.
const char* ShortPath(const char* path) {
  const char* last = std::strrchr(path, '/');
  if (last == nullptr) return path;
  const char* cut = last;
  while (cut > path && *(cut - 1) != '/') --cut;
  return cut;
}

}  // namespace

void SetLogRole(absl::string_view role) { Role() = std::string(role); }

namespace internal {

LogLine::LogLine(LogSeverity severity, const char* file, int line) {
  stream_ << absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                              absl::UTCTimeZone())
          << " "
          << "IWE"[static_cast<int>(severity)] << " " << Role() << " "
          << ShortPath(file) << ":" << line << "] ";
}

LogLine::~LogLine() {
  stream_ << "\n";
  const std::string text = stream_.str();
  // One write call, so that lines of several threads never mix. A full disk or
  // a closed terminal must not stop the run.
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace internal
}  // namespace rlhf
