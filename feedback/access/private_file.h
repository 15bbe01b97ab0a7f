// Files that only the account which runs the service may read (mode 0600): the
// owner of the folder, also where root writes them.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rlhf {

// As WriteFileAtomically, but the file is readable by its owner only, from its
// first byte on.
absl::Status WritePrivateFile(const std::string& path,
                              absl::string_view contents);

// The secret in `path`, without white space; makes a random one if there is
// none. Two processes that make it at once get the same.
//
// Errors: as ReadFile; FailedPrecondition if others may read the file;
// InvalidArgument if it holds no 64 hexadecimal digits.
absl::StatusOr<std::string> LoadOrCreateSecret(const std::string& path);

// Held by one thread of one process at a time, until it is destroyed.
class FileLock {
 public:
  // Creates `path` if it is missing and waits until nobody else holds it, for
  // at most `timeout`: whoever stops while it holds the lock must not stop all
  // that wait.
  // Errors: as ReadFile; Unavailable, with the name of the file and what to do,
  // once the time is over.
  static absl::StatusOr<FileLock> Acquire(
      const std::string& path, absl::Duration timeout = absl::Seconds(1));
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace rlhf
