// Accounts on disk: accounts.json in the run's feedback folder, readable by its
// owner only. The service and the `rlhf feedback` verbs change it under one
// lock, and each sees what the other did.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "feedback/access/accounts.h"

namespace rlhf {

// Thread-safe; any number of processes may use one folder.
class AccountFile {
 public:
  // `folder` must exist once something is written. Update waits for the lock
  // for at most `lock_timeout`.
  explicit AccountFile(const std::string& folder,
                       absl::Duration lock_timeout = absl::Seconds(5));

  // What the file says now; it is read again only after a change. A missing
  // file holds nobody.
  //
  // Errors: as ReadFile; DataLoss, with the file's name, for what is no such
  // file.
  absl::StatusOr<std::shared_ptr<const Accounts>> Get();

  // Lets `change` change what the file says and writes it, whole or not at all.
  // Nothing is written if `change` fails.
  //
  // Errors: as Get, FileLock::Acquire, WritePrivateFile and `change`;
  // Unavailable at once while two of this object's threads write: whoever holds
  // the lock must not hold all threads of a server.
  absl::Status Update(const std::function<absl::Status(Accounts&)>& change);

  // Accounts::Disable. If that cannot be written, Get says so nevertheless
  // from now on, and the next Update that can writes it.
  //
  // Errors: as Update, with what is true meanwhile; NotFound.
  absl::Status Disable(const std::string& name);

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
  // What the file says, and what could not be written into it.
  absl::StatusOr<Accounts> Read() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Write(const std::function<absl::Status(Accounts&)>& change);

  const std::string path_;
  const absl::Duration lock_timeout_;
  std::atomic<int> num_updating_ = 0;
  Mutex mutex_;
  Stamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Accounts> read_ ABSL_GUARDED_BY(mutex_);
  // What is disabled here and not yet in the file.
  std::set<std::string> unwritten_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
