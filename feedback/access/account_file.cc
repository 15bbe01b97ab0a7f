#include "feedback/access/account_file.h"

#include <sys/stat.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "feedback/access/private_file.h"

namespace rlhf {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int kMaxUpdating = 2;

absl::StatusOr<Accounts> ReadAccounts(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return Accounts();
  RLHF_RETURN_IF_ERROR(text.status());
  absl::StatusOr<Accounts> accounts = Accounts::FromJson(*text);
  if (accounts.ok()) return accounts;
  return absl::DataLossError(absl::StrCat(path, ": ",
                                          accounts.status().message(),
                                          "; put the run's own file back"));
}

}  // namespace

AccountFile::AccountFile(const std::string& folder, absl::Duration lock_timeout)
    : path_(folder + "/accounts.json"), lock_timeout_(lock_timeout) {}

AccountFile::Stamp AccountFile::StampNow() const {
  struct stat info = {};
  if (::stat(path_.c_str(), &info) != 0) return {};
  return {.inode = info.st_ino,
          .modified_ns =
              info.st_mtim.tv_sec * kNanosPerSecond + info.st_mtim.tv_nsec,
          .size = info.st_size};
}

absl::StatusOr<std::shared_ptr<const Accounts>> AccountFile::Get() {
  MutexLock lock(&mutex_);
  // Taken before the file is read: a change in between is seen the next time.
  const Stamp now = StampNow();
  if (read_ == nullptr || !(now == stamp_)) {
    RLHF_ASSIGN_OR_RETURN(Accounts accounts, Read());
    read_ = std::make_shared<const Accounts>(std::move(accounts));
    stamp_ = now;
  }
  return read_;
}

absl::StatusOr<Accounts> AccountFile::Read() const {
  RLHF_ASSIGN_OR_RETURN(Accounts accounts, ReadAccounts(path_));
  for (const std::string& name : unwritten_) {
    // Unless somebody else took it out.
    accounts.Disable(name).IgnoreError();
  }
  return accounts;
}

absl::Status AccountFile::Update(
    const std::function<absl::Status(Accounts&)>& change) {
  const absl::Cleanup leave = [this] { num_updating_.fetch_sub(1); };
  if (num_updating_.fetch_add(1) >= kMaxUpdating) {
    return absl::UnavailableError(
        "too many change the accounts at this moment: try again in a second");
  }
  return Write(change);
}

absl::Status AccountFile::Write(
    const std::function<absl::Status(Accounts&)>& change) {
  RLHF_ASSIGN_OR_RETURN(const FileLock lock,
                        FileLock::Acquire(path_ + ".lock", lock_timeout_));
  std::set<std::string> written;
  absl::StatusOr<Accounts> accounts;
  {
    MutexLock read(&mutex_);
    written = unwritten_;
    accounts = Read();
  }
  RLHF_RETURN_IF_ERROR(accounts.status());
  RLHF_RETURN_IF_ERROR(change(*accounts));
  RLHF_RETURN_IF_ERROR(WritePrivateFile(path_, accounts->ToJson()));
  MutexLock read(&mutex_);
  for (const std::string& name : written) unwritten_.erase(name);
  read_ = nullptr;
  return absl::OkStatus();
}

absl::Status AccountFile::Disable(const std::string& name) {
  const absl::Status status =
      Update([&](Accounts& accounts) { return accounts.Disable(name); });
  if (status.ok() || absl::IsNotFound(status)) return status;
  RLHF_ASSIGN_OR_RETURN(const auto known, Get());
  if (!known->LetsIn(name) && known->Find(name) == nullptr) return status;
  MutexLock lock(&mutex_);
  unwritten_.insert(name);
  read_ = nullptr;
  return absl::Status(
      status.code(),
      absl::StrCat(status.message(), "; \"", name,
                   "\" is disabled until this service stops, and for good "
                   "once the accounts can be written: try again then"));
}

}  // namespace rlhf
