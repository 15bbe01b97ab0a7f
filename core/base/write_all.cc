#include "core/base/write_all.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace rlhf {

absl::Status WriteAll(int fd, absl::string_view contents,
                      const std::string& path) {
  while (!contents.empty()) {
    const ssize_t written = ::write(fd, contents.data(), contents.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "write", path);
    }
    contents.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WriteAllOrNothing(int fd, absl::string_view contents,
                               const std::string& path) {
  struct stat before = {};
  if (::fstat(fd, &before) != 0) return ErrnoStatus(errno, "stat", path);
  const absl::Status status = WriteAll(fd, contents, path);
  if (status.ok() || ::ftruncate(fd, before.st_size) == 0) return status;
  return WithContext(status, "a part of it may be left");
}

absl::Status AppendWhole(const std::string& path, absl::string_view bytes) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  const absl::Cleanup close = [fd] { ::close(fd); };
  return WriteAllOrNothing(fd, bytes, path);
}

}  // namespace rlhf
