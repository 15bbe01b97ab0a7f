#include "core/base/process_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"

namespace rlhf {
namespace {

absl::Status HeldElsewhere(const std::string& path) {
  const auto holder = ReadFile(path);
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is held by process ",
      holder.ok() ? std::string(absl::StripAsciiWhitespace(*holder))
                  : std::string("(unknown)"),
      ": stop that process first"));
}

}  // namespace

absl::StatusOr<ProcessLock> ProcessLock::Acquire(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  ProcessLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return HeldElsewhere(path);
    return ErrnoStatus(errno, "lock", path);
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(fd, 0) != 0 ||
      ::write(fd, pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
    return ErrnoStatus(errno, "write", path);
  }
  return lock;
}

ProcessLock::~ProcessLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace rlhf
