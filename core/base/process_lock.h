// A file that one process at a time may hold: the lock ends with the process,
// however it ends.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace rlhf {

class ProcessLock {
 public:
  // Creates `path` if it is missing and writes this process's id into it.
  //
  // Errors: FailedPrecondition, with the holder's id, if another process holds
  // it; else as ReadFile.
  static absl::StatusOr<ProcessLock> Acquire(const std::string& path);
  ProcessLock(ProcessLock&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)) {}
  ProcessLock& operator=(ProcessLock&&) = delete;
  ~ProcessLock();

 private:
  explicit ProcessLock(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace rlhf
