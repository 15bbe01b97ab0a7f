#include "core/base/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace rlhf {
namespace {

// Set once before threads start, read ever after.
std::string& Role() {
  static auto* const role = new std::string("rlhf");
  return *role;
}

std::atomic<int64_t>& NumLines(LogSeverity severity) {
  static std::atomic<int64_t> num_lines[3];
  return num_lines[static_cast<int>(severity)];
}

// The last folder and the file name: enough to find the line.
const char* ShortPath(const char* path) {
  const char* last = std::strrchr(path, '/');
  if (last == nullptr) return path;
  const char* cut = last;
  while (cut > path && *(cut - 1) != '/') --cut;
  return cut;
}

// Pipes take long lines in pieces, and signals interrupt; the lock keeps the
// pieces together. A full disk or a closed terminal must not stop the run.
void WriteWhole(absl::string_view text) {
  static auto* const mutex = new Mutex;
  MutexLock lock(mutex);
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

void SetLogRole(absl::string_view role) { Role() = std::string(role); }

int64_t CountLogLines(LogSeverity severity) { return NumLines(severity); }

namespace internal {

LogLine::LogLine(LogSeverity severity, const char* file, int line)
    : severity_(severity) {
  stream_ << absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(),
                              absl::UTCTimeZone())
          << " "
          << "IWE"[static_cast<int>(severity)] << " " << Role() << " "
          << ShortPath(file) << ":" << line << "] ";
}

LogLine::~LogLine() {
  // What a client sent may be in the message; it must not make lines of its
  // own.
  const std::string text =
      absl::StrReplaceAll(stream_.str(), {{"\n", "\\n"}, {"\r", "\\r"}}) + "\n";
  WriteWhole(text);
  ++NumLines(severity_);
}

}  // namespace internal
}  // namespace rlhf
