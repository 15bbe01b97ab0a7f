// Accounts on disk: accounts.json in the run's feedback folder, readable by its
// owner only. The service and the `rlhf feedback` verbs change it under one
// lock, and each sees what the other did.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "feedback/access/accounts.h"

namespace rlhf {

// Thread-safe; any number of processes may use one folder.
class AccountFile {
 public:
  // `folder` must exist once something is written.
  explicit AccountFile(const std::string& folder);

  // What the file says now; it is read again only after a change. A missing
  // file holds nobody.
  //
  // Errors: as ReadFile; DataLoss, with the file's name, for what is no such
  // file.
  absl::StatusOr<std::shared_ptr<const Accounts>> Get();

  // Lets `change` change what the file says and writes it, whole or not at all.
  // Nothing is written if `change` fails.
  //
  // Errors: as Get, FileLock::Acquire, WritePrivateFile and `change`.
  absl::Status Update(const std::function<absl::Status(Accounts&)>& change);

  const std::string& path() const { return path_; }

 private:
  // Tells one state of the file from another.
  struct Stamp {
    bool operator==(const Stamp&) const = default;
    uint64_t inode = 0;
    int64_t modified_ns = 0;
    int64_t size = -1;
  };
  Stamp StampNow() const;

  const std::string path_;
  Mutex mutex_;
  Stamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Accounts> read_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
