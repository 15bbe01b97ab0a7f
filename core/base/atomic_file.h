// A file that is written piece by piece and appears whole.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// As WriteFileAtomically (file.h), for contents that need not be in memory at
// once. Without Commit, `path` is as it was. Thread-compatible.
class AtomicFile {
 public:
  // Errors of all methods: as WriteFileAtomically. They name `path`, not what
  // stands for it meanwhile.
  static absl::StatusOr<AtomicFile> Create(const std::string& path);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  absl::Status Append(absl::string_view piece);
  // Once, as the last.
  absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

  std::string path_;
  std::string temporary_;
  int fd_;  // -1 once committed or moved from
  // Pieces that are too small to be written one by one.
  std::string pending_;
};

}  // namespace rlhf
