// Files that are either whole or absent, and errors that name the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// Errors: as ErrnoStatus. All messages name the path.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Writes `path` so that a crash at any moment leaves either the old file or
// the new one: a temporary file beside it, fsync, rename, fsync of the folder.
//
// Errors: as ErrnoStatus, ResourceExhausted if the disk is full; `path` is
// untouched then and the temporary file is gone.
absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view contents);

// Appends `line` and a line break to `path`, or nothing: what a full disk takes
// of it is removed again, and so is a last line that a crash cut short. One
// process at a time may append to a file.
//
// Errors: as ErrnoStatus.
absl::Status AppendLine(const std::string& path, absl::string_view line);

// Makes a folder appear whole: the caller fills `temporary()`, then Commit
// syncs every file in it and renames it to `path`. Without Commit the folder is
// removed by the destructor.
class AtomicDirectory {
 public:
  // Errors: as WriteFileAtomically; AlreadyExists if `path` is there.
  static absl::StatusOr<AtomicDirectory> Create(const std::string& path);
  ~AtomicDirectory();
  AtomicDirectory(AtomicDirectory&& other) noexcept;
  AtomicDirectory& operator=(AtomicDirectory&&) = delete;

  const std::string& temporary() const { return temporary_; }
  absl::Status Commit();

 private:
  AtomicDirectory(std::string path, std::string temporary);
  std::string path_;
  std::string temporary_;  // empty once committed or moved from
};

// Creates `path` and its parents; fine if it exists.
absl::Status MakeDirectories(const std::string& path);

// Removes a folder and all it holds; fine if it does not exist.
absl::Status RemoveAll(const std::string& path);

bool FileExists(const std::string& path);

// Names (not paths) of the entries of a folder, sorted. A missing folder is
// empty.
std::vector<std::string> ListDirectory(const std::string& path);

// Syncs a file's or a folder's contents to disk.
absl::Status SyncPath(const std::string& path);

// A status for the operating system's last error on `path`, while `doing`:
// NotFound, ResourceExhausted (full disk), PermissionDenied or Unavailable.
absl::Status ErrnoStatus(int error, absl::string_view doing,
                         absl::string_view path);

}  // namespace rlhf
