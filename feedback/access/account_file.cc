#include "feedback/access/account_file.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "feedback/access/private_file.h"

namespace rlhf {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

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

AccountFile::AccountFile(const std::string& folder)
    : path_(folder + "/accounts.json") {}

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
    RLHF_ASSIGN_OR_RETURN(Accounts accounts, ReadAccounts(path_));
    read_ = std::make_shared<const Accounts>(std::move(accounts));
    stamp_ = now;
  }
  return read_;
}

absl::Status AccountFile::Update(
    const std::function<absl::Status(Accounts&)>& change) {
  RLHF_ASSIGN_OR_RETURN(const FileLock lock,
                        FileLock::Acquire(path_ + ".lock"));
  RLHF_ASSIGN_OR_RETURN(Accounts accounts, ReadAccounts(path_));
  RLHF_RETURN_IF_ERROR(change(accounts));
  return WritePrivateFile(path_, accounts.ToJson());
}

}  // namespace rlhf
