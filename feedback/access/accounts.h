// Who has an account at the feedback service, and who is invited to make one.
// Plain data and its rules; account_file.h keeps it on disk.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "feedback/access/role.h"

namespace rlhf {

struct Account {
  std::string name;
  Role role = Role::kWorker;
  // Argon2id; empty: there is no password, only a token.
  std::string password_hash;
  // SecretHash of the token that a program shows; empty: none.
  std::string token_hash;
  bool disabled = false;
  // Grows with every change, and what was begun under an older one ends.
  int64_t version = 1;
};

// To whoever shows the secret: once, and until it expires.
struct Invitation {
  std::string secret_hash;
  Role role = Role::kWorker;
  // Empty: the invited choose one. That of an account: a new password for it.
  std::string name;
  absl::Time expires;

  // What it is called where it is listed. The secret cannot be told from it.
  std::string id() const;
};

// A value. Thread-compatible.
class Accounts {
 public:
  static constexpr size_t kMaxAccounts = 10'000;
  static constexpr size_t kMaxInvitations = 1'000;

  // Errors: InvalidArgument that says which member is wrong.
  static absl::StatusOr<Accounts> FromJson(absl::string_view text);
  std::string ToJson() const;

  // By name, sorted.
  const std::map<std::string, Account>& accounts() const { return accounts_; }
  const std::vector<Invitation>& invitations() const { return invitations_; }

  // Null if there is none, also for ByToken("").
  const Account* Find(const std::string& name) const;
  const Account* ByToken(absl::string_view token) const;

  // Forgets invitations that have expired, too.
  //
  // Errors: InvalidArgument for a bad name or one whose account has another
  // role, AlreadyExists for a new name that looks like another account's or
  // open invitation's (LookOfName), ResourceExhausted if there are too many.
  absl::Status Invite(const Invitation& invitation, absl::Time now);

  // Whether the invitation lets somebody join by this name.
  //
  // Errors:
  //   PermissionDenied  there is no such invitation, or no longer
  //   InvalidArgument   a bad name, or another than the invitation's
  //   AlreadyExists     the name is taken, or looks like one that is
  //   ResourceExhausted there are too many accounts
  absl::Status CheckInvitation(absl::string_view secret,
                               const std::string& name, absl::Time now) const;

  // Makes the account, or gives it a new password in place of what it had, and
  // uses up the invitation and all others by this name.
  // Errors: as CheckInvitation.
  absl::Status Join(absl::string_view secret, const std::string& name,
                    const std::string& password_hash, absl::Time now);

  // Makes an account for a program, or replaces its token.
  //
  // Errors: InvalidArgument for a bad name, AlreadyExists if it is a person's,
  // has another role or looks like another, ResourceExhausted if there are too
  // many.
  absl::Status SetToken(const std::string& name, Role role,
                        const std::string& token_hash);

  // Ends what the account may do, and the invitations by its name, until it is
  // invited by name again. The same for a name that is only invited, and for an
  // invitation's id, which ends that one alone.
  // Errors: NotFound.
  absl::Status Disable(const std::string& name);

  // Whether there is something that Disable would end.
  bool LetsIn(const std::string& name) const;

 private:
  static bool IsCalled(const Invitation& invitation, const std::string& name) {
    return invitation.name == name || invitation.id() == name;
  }
  // Of the accounts, and the invitations that are open at `open_at`, the first
  // with another name that looks like this one; empty: none.
  std::string NameLike(const std::string& name, absl::Time open_at) const;
  const Invitation* FindInvitation(absl::string_view secret,
                                   absl::Time now) const;

  std::map<std::string, Account> accounts_;
  std::vector<Invitation> invitations_;
};

}  // namespace rlhf
