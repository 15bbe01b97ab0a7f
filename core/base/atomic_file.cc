#include "core/base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/base/write_all.h"

namespace rlhf {
namespace {

constexpr size_t kWorthWriting = 1 << 16;

}  // namespace

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  std::string temporary = absl::StrCat(path, ".tmp.", ::getpid());
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "create", path);
  return AtomicFile(path, std::move(temporary), fd);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)),
      pending_(std::move(other.pending_)) {}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

absl::Status AtomicFile::Append(absl::string_view piece) {
  if (pending_.size() + piece.size() < kWorthWriting) {
    pending_.append(piece.data(), piece.size());
    return absl::OkStatus();
  }
  RLHF_RETURN_IF_ERROR(WriteAll(fd_, pending_, path_));
  pending_.clear();
  return WriteAll(fd_, piece, path_);
}

absl::Status AtomicFile::Commit() {
  // What fails here is removed by the destructor.
  RLHF_RETURN_IF_ERROR(WriteAll(fd_, pending_, path_));
  if (::fsync(fd_) != 0) return ErrnoStatus(errno, "sync", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return ErrnoStatus(errno, "rename to", path_);
  }
  ::close(std::exchange(fd_, -1));
  const std::string folder =
      std::filesystem::path(path_).parent_path().string();
  return SyncPath(folder.empty() ? "." : folder);
}

}  // namespace rlhf
