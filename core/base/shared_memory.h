// Memory that other processes of this machine can map, by a path.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// Owns one mapping. The memory is freed with the last mapping of any process,
// also where processes are killed: no file is left behind. Moves only.
class SharedMemory {
 public:
  // `size` zero bytes that this process may write. The size can never change,
  // so that no reader's mapping breaks.
  //
  // Errors: as ErrnoStatus.
  static absl::StatusOr<SharedMemory> Create(size_t size);

  // Maps for reading what another process created, as long as that one lives.
  //
  // Errors: NotFound or PermissionDenied for a process of another machine or
  // user; InvalidArgument if there is not memory of `size` bytes that cannot
  // shrink.
  static absl::StatusOr<SharedMemory> Map(const std::string& path, size_t size);

  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  // What others pass to Map. Of memory made by Create.
  std::string path() const;

  // For sendfile. Of memory made by Create.
  int fd() const { return fd_; }

  size_t size() const { return size_; }
  absl::string_view bytes() const { return {data_, size_}; }
  // May be written by the process that created it only.
  char* data() { return data_; }

 private:
  SharedMemory(int fd, char* data, size_t size)
      : fd_(fd), data_(data), size_(size) {}

  int fd_;  // -1 for memory of another process
  char* data_;
  size_t size_;
};

}  // namespace rlhf
