#include "core/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/atomic_file.h"
#include "core/base/status_macros.h"
#include "core/base/write_all.h"

namespace rlhf {
namespace {

namespace fs = std::filesystem;

// Closes a descriptor at the end of the scope.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

std::string ParentOf(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

absl::Status ErrnoStatus(int error, absl::string_view doing,
                         absl::string_view path) {
  const std::string message =
      absl::StrCat("cannot ", doing, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "stat", path);
  std::string contents;
  contents.reserve(static_cast<size_t>(info.st_size));
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof(buffer));
    if (got == 0) return contents;
    if (got < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "read", path);
    }
    contents.append(buffer, static_cast<size_t>(got));
  }
}

absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view contents) {
  RLHF_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  RLHF_RETURN_IF_ERROR(file.Append(contents));
  return file.Commit();
}

namespace {

// Cuts off what a crash left of a last line without its line break.
absl::Status CutTornLine(int fd, const std::string& path) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return ErrnoStatus(errno, "stat", path);
  off_t end = info.st_size;
  char last = '\n';
  while (end > 0) {
    if (::pread(fd, &last, 1, end - 1) != 1) {
      return ErrnoStatus(errno, "read", path);
    }
    if (last == '\n') break;
    --end;
  }
  if (end == info.st_size || ::ftruncate(fd, end) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "truncate", path);
}

}  // namespace

absl::Status AppendLine(const std::string& path, absl::string_view line) {
  const Fd fd(
      ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644));
  if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
  RLHF_RETURN_IF_ERROR(CutTornLine(fd.get(), path));
  return WriteAllOrNothing(fd.get(), absl::StrCat(line, "\n"), path);
}

namespace {

// What a caller gave is named, not what stands for it meanwhile.
absl::Status InNameOf(const std::string& path, const std::string& temporary,
                      const absl::Status& status) {
  return absl::Status(status.code(), absl::StrReplaceAll(status.message(),
                                                         {{temporary, path}}));
}

// A folder and all that it holds.
absl::Status SyncTree(const std::string& folder) {
  std::error_code error;
  // A range-for would throw where increment() reports.
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::end(entry); entry.increment(error)) {
    RLHF_RETURN_IF_ERROR(SyncPath(entry->path().string()));
  }
  if (error) return ErrnoStatus(error.value(), "list", folder);
  return SyncPath(folder);
}

}  // namespace

AtomicDirectory::AtomicDirectory(std::string path, std::string temporary)
    : path_(std::move(path)), temporary_(std::move(temporary)) {}

AtomicDirectory::AtomicDirectory(AtomicDirectory&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::move(other.temporary_)) {
  other.temporary_.clear();
}

AtomicDirectory::~AtomicDirectory() {
  if (!temporary_.empty()) RemoveAll(temporary_).IgnoreError();
}

absl::StatusOr<AtomicDirectory> AtomicDirectory::Create(
    const std::string& path) {
  if (FileExists(path)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " exists already"));
  }
  const std::string temporary = absl::StrCat(path, ".tmp.", ::getpid());
  absl::Status made = RemoveAll(temporary);
  if (made.ok()) made = MakeDirectories(temporary);
  if (!made.ok()) return InNameOf(path, temporary, made);
  return AtomicDirectory(path, temporary);
}

absl::Status AtomicDirectory::Commit() {
  const absl::Status synced = SyncTree(temporary_);
  if (!synced.ok()) return InNameOf(path_, temporary_, synced);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return ErrnoStatus(errno, "rename to", path_);
  }
  temporary_.clear();
  return SyncPath(ParentOf(path_));
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return ErrnoStatus(error.value(), "create folder", path);
  return absl::OkStatus();
}

absl::Status RemoveAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return ErrnoStatus(error.value(), "remove", path);
  return absl::OkStatus();
}

bool FileExists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::vector<std::string> ListDirectory(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(path, error);
  for (; !error && entry != fs::end(entry); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status SyncPath(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return ErrnoStatus(errno, "open", path);
  if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, "sync", path);
  return absl::OkStatus();
}

}  // namespace rlhf
