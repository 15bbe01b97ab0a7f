// Tells who sends a request, lets people in and out, and bounds how often each
// may ask.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/telemetry/http_server.h"
#include "feedback/access/account_file.h"
#include "feedback/access/caller.h"
#include "feedback/access/sessions.h"
#include "feedback/access/token_buckets.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Where a run keeps what this folder reads and writes.
struct AccessFiles {
  explicit AccessFiles(const std::string& feedback_folder)
      : folder(feedback_folder) {}
  // What makes pseudonyms of names. Whoever has it and a list of names can tell
  // whose comparisons are whose; nobody else can.
  std::string pseudonym_key() const { return folder + "/pseudonym.key"; }
  // The token of whoever may read this folder: an admin.
  std::string operator_token() const { return folder + "/operator.token"; }

  std::string folder;
};

// "w-" and the first 16 hexadecimal digits of HMAC-SHA256(key, name).
std::string Pseudonym(const std::string& key, const std::string& name);

// Thread-safe.
class AccessControl {
 public:
  struct Limits {
    // Requests of a session, of a program, and of an address that has shown
    // neither. A page is two dozen files.
    TokenBuckets::Options session{.capacity = 200, .per_second = 20};
    TokenBuckets::Options program{.capacity = 400, .per_second = 200};
    TokenBuckets::Options address{.capacity = 200, .per_second = 20};
    // Failed logins by a name and from an address: at most 10 in any minute.
    // Many people may have one address, so that it rests for less long.
    TokenBuckets::Options login_name{.capacity = 8, .per_second = 2.0 / 60};
    TokenBuckets::Options login_address{.capacity = 5, .per_second = 5.0 / 60};
  };

  // `folder` is the run's feedback folder; with require_login, its secrets are
  // made if they are missing. The clock is not owned.
  //
  // Errors: as LoadOrCreateSecret and AccountFile::Get; InvalidArgument for a
  // public_origin that is none, or without require_login.
  static absl::StatusOr<std::unique_ptr<AccessControl>> Open(
      const v1::AccessConfig& config, const std::string& folder,
      const Clock* clock, const Limits& limits);
  static absl::StatusOr<std::unique_ptr<AccessControl>> Open(
      const v1::AccessConfig& config, const std::string& folder,
      const Clock* clock) {
    return Open(config, folder, clock, Limits());
  }

  // Who sends this. Without require_login everybody is a requester.
  // Errors: as AccountFile::Get.
  absl::StatusOr<Caller> Identify(const HttpRequest& request);

  // Zero if the caller may send a request now, else when to try again.
  absl::Duration TakeRequest(const Caller& caller);

  // The same for an attempt to log in by `name`. One that succeeds is forgiven.
  absl::Duration TakeLogin(const std::string& name, const Caller& caller);
  void ForgiveLogin(const std::string& name, const Caller& caller);

  // Begins a session.
  //
  // Errors:
  //   Unauthenticated  there is no such account, or the password is not its own
  //   Unavailable      too many try at once: again in a second
  // and as AccountFile::Get.
  absl::StatusOr<Caller> LogIn(const std::string& name,
                               const std::string& password);

  // Uses an invitation and begins a session.
  //
  // Errors: as Accounts::Join, CheckPassword, AccountFile::Update; Unavailable
  // as LogIn.
  absl::StatusOr<Caller> Join(const std::string& invitation,
                              const std::string& name,
                              const std::string& password);

  // A session for somebody who has shown enough.
  Caller BeginSession(const Account& account);
  void LogOut(const Caller& caller);

  // The value of Set-Cookie after LogIn and Join, and after LogOut.
  std::string Cookie(const Caller& caller) const;
  std::string NoCookie() const;

  bool require_login() const { return config_.require_login(); }
  const std::string& public_origin() const { return config_.public_origin(); }
  std::string pseudonym(const std::string& name) const {
    return Pseudonym(pseudonym_key_, name);
  }
  AccountFile& accounts() { return accounts_; }

 private:
  AccessControl(const v1::AccessConfig& config, const std::string& folder,
                const Clock* clock, const Limits& limits);
  bool is_https() const { return !config_.public_origin().empty(); }
  absl::Duration session_lifetime() const;
  std::string ClientAddress(const HttpRequest& request) const;
  Caller CallerOf(const Account& account, Caller::Proof proof) const;
  Caller BySession(const std::string& id, const Accounts& accounts);
  Caller ByToken(absl::string_view token, const Accounts& accounts) const;

  const v1::AccessConfig config_;
  const Clock* const clock_;
  AccountFile accounts_;
  std::string pseudonym_key_;
  std::string operator_token_;
  // Passwords that are hashed just now, 64 MiB each.
  std::atomic<int> num_hashing_ = 0;

  Mutex mutex_;
  Sessions sessions_ ABSL_GUARDED_BY(mutex_);
  TokenBuckets session_requests_ ABSL_GUARDED_BY(mutex_);
  TokenBuckets program_requests_ ABSL_GUARDED_BY(mutex_);
  TokenBuckets address_requests_ ABSL_GUARDED_BY(mutex_);
  TokenBuckets login_names_ ABSL_GUARDED_BY(mutex_);
  TokenBuckets login_addresses_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
