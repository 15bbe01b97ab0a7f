#include "core/base/atomic_file.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"

namespace rlhf {

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  std::string temporary = absl::StrCat(path, ".tmp.", ::getpid());
  std::FILE* const file = std::fopen(temporary.c_str(), "we");
  if (file == nullptr) return ErrnoStatus(errno, "create", temporary);
  return AtomicFile(path, std::move(temporary), file);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      file_(std::exchange(other.file_, nullptr)) {}

AtomicFile::~AtomicFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  ::unlink(temporary_.c_str());
}

absl::Status AtomicFile::Append(absl::string_view piece) {
  if (std::fwrite(piece.data(), 1, piece.size(), file_) != piece.size()) {
    return ErrnoStatus(errno, "write", temporary_);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() {
  // What fails here is removed by the destructor.
  if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) {
    return ErrnoStatus(errno, "sync", temporary_);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return ErrnoStatus(errno, "rename to", path_);
  }
  std::fclose(std::exchange(file_, nullptr));
  const std::string folder =
      std::filesystem::path(path_).parent_path().string();
  return SyncPath(folder.empty() ? "." : folder);
}

}  // namespace rlhf
