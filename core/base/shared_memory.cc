#include "core/base/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"

namespace rlhf {
namespace {

constexpr char kName[] = "rlhf";
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

// mmap refuses 0 bytes.
size_t Mapped(size_t size) { return size == 0 ? 1 : size; }

}  // namespace

absl::StatusOr<SharedMemory> SharedMemory::Create(size_t size) {
  const int fd = ::memfd_create(kName, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return ErrnoStatus(errno, "create", "shared memory");
  absl::Cleanup close_fd = [fd] { ::close(fd); };
  if (::ftruncate(fd, static_cast<off_t>(Mapped(size))) != 0 ||
      ::fcntl(fd, F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "size", "shared memory");
  }
  void* const data =
      ::mmap(nullptr, Mapped(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return ErrnoStatus(errno, "map", "shared memory");
  std::move(close_fd).Cancel();
  return SharedMemory(fd, static_cast<char*>(data), size);
}

absl::StatusOr<SharedMemory> SharedMemory::Map(const std::string& path,
                                               size_t size) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  const absl::Cleanup close_fd = [fd] { ::close(fd); };
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return ErrnoStatus(errno, "stat", path);
  const int seals = ::fcntl(fd, F_GET_SEALS);  // -1 for an ordinary file
  if (seals < 0 || (seals & kSeals) != kSeals ||
      static_cast<size_t>(info.st_size) != Mapped(size)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not shared memory of ", size, " bytes"));
  }
  void* const data =
      ::mmap(nullptr, Mapped(size), PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return ErrnoStatus(errno, "map", path);
  return SharedMemory(-1, static_cast<char*>(data), size);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, Mapped(size_));
  if (fd_ >= 0) ::close(fd_);
}

std::string SharedMemory::path() const {
  return absl::StrCat("/proc/", ::getpid(), "/fd/", fd_);
}

}  // namespace rlhf
