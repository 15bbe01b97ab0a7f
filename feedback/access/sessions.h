// Who is logged in. In memory only: a restart of the service ends every
// session.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rlhf {

// Pure: the caller says what time it is. Thread-compatible.
class Sessions {
 public:
  struct Options {
    // A session ends so long after the login, and so long after its last use.
    absl::Duration absolute = absl::Hours(12);
    absl::Duration idle = absl::Hours(3);
    // Of all, and of one account: one more ends the one that was used least
    // recently.
    size_t max_sessions = 20'000;
    size_t max_per_account = 10;
  };
  struct Session {
    std::string account;
    // Of the account when it logged in.
    int64_t account_version = 0;
    // What a page of this session sends along with each POST.
    std::string csrf_token;
    absl::Time begun;
    absl::Time used;
  };

  explicit Sessions(const Options& options) : options_(options) {}

  // Returns the session's id: 256 random bits, of which only a hash is kept.
  std::string Begin(const std::string& account, int64_t account_version,
                    absl::Time now);

  // Null if there is no such session or it has ended; else notes its use. Valid
  // until the next call.
  const Session* Use(absl::string_view id, absl::Time now);

  void End(absl::string_view id);

  size_t size() const { return sessions_.size(); }

 private:
  bool HasEnded(const Session& session, absl::Time now) const;
  void MakeRoom(const std::string& account, absl::Time now);

  const Options options_;
  // By the hash of the id.
  std::map<std::string, Session> sessions_;
};

}  // namespace rlhf
