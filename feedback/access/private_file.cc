#include "feedback/access/private_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/base/write_all.h"
#include "feedback/access/secrets.h"

namespace rlhf {
namespace {

constexpr size_t kSecretDigits = 64;
// Between two tries for a lock, which is held for as long as a small file is
// written.
constexpr absl::Duration kLockPause = absl::Milliseconds(2);

std::string FolderOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// What root makes in the folder of a service's account belongs to that account,
// or the service could no longer read it.
void GiveToOwnerOfFolder(int fd, const std::string& path) {
  struct stat info = {};
  if (::geteuid() != 0 || ::stat(FolderOf(path).c_str(), &info) != 0) return;
  if (::fchown(fd, info.st_uid, info.st_gid) != 0) return;  // stays root's
}

// Leaves a whole, synced file at the path that it returns.
absl::StatusOr<std::string> WriteTemporary(const std::string& path,
                                           absl::string_view contents) {
  // Threads of one process may write at once, so the process's id is not
  // enough of a name.
  std::string temporary = path + ".tmp.XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);  // mode 0600
  if (fd < 0) return ErrnoStatus(errno, "create", path);
  GiveToOwnerOfFolder(fd, path);
  absl::Status status = WriteAll(fd, contents, path);
  if (status.ok() && ::fsync(fd) != 0) {
    status = ErrnoStatus(errno, "sync", path);
  }
  ::close(fd);
  if (status.ok()) return temporary;
  ::unlink(temporary.c_str());
  return status;
}

absl::Status CreateSecret(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string temporary,
                        WriteTemporary(path, RandomSecret() + "\n"));
  const absl::Cleanup remove = [&] { ::unlink(temporary.c_str()); };
  // Whoever links first has made the secret.
  if (::link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, "create", path);
  }
  return SyncPath(FolderOf(path));
}

}  // namespace

absl::Status WritePrivateFile(const std::string& path,
                              absl::string_view contents) {
  RLHF_ASSIGN_OR_RETURN(const std::string temporary,
                        WriteTemporary(path, contents));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const absl::Status status = ErrnoStatus(errno, "rename to", path);
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncPath(FolderOf(path));
}

absl::StatusOr<std::string> LoadOrCreateSecret(const std::string& path) {
  if (!FileExists(path)) RLHF_RETURN_IF_ERROR(CreateSecret(path));
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) {
    return ErrnoStatus(errno, "stat", path);
  }
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " may be read by others than its owner; it is "
                     "secret: chmod 600 it"));
  }
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const std::string secret(absl::StripAsciiWhitespace(text));
  if (secret.size() != kSecretDigits ||
      !std::all_of(secret.begin(), secret.end(), absl::ascii_isxdigit)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": no 64 hexadecimal digits; put the run's own file back"));
  }
  return secret;
}

absl::StatusOr<FileLock> FileLock::Acquire(const std::string& path,
                                           absl::Duration timeout) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  FileLock lock(fd);
  GiveToOwnerOfFolder(fd, path);
  const absl::Time deadline = MonotonicNow() + timeout;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR && errno != EWOULDBLOCK) {
      return ErrnoStatus(errno, "lock", path);
    }
    if (MonotonicNow() >= deadline) {
      // Whoever asks over the network learns no more than the file's name.
      return absl::UnavailableError(
          absl::StrCat(NameOf(path),
                       " in the feedback folder is held by another process "
                       "since ",
                       absl::FormatDuration(timeout),
                       ": try again; if it stays "
                       "so, `fuser ",
                       NameOf(path), "` there says by which"));
    }
    absl::SleepFor(kLockPause);
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace rlhf
