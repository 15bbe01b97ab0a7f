#include "feedback/access/accounts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "feedback/access/account_name.h"
#include "feedback/access/secrets.h"

namespace rlhf {
namespace {

// No invitation is open then.
constexpr absl::Time kNever = absl::InfiniteFuture();

absl::StatusOr<int64_t> GetInt(const Json& object, const char* key) {
  const Json value = object.value(key, Json());
  if (value.is_number_integer()) return value.get<int64_t>();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", key, "\" is no whole number"));
}

absl::StatusOr<Role> GetRole(const Json& object) {
  RLHF_ASSIGN_OR_RETURN(const std::string name, GetString(object, "role"));
  return ParseRole(name);
}

absl::StatusOr<Account> ParseAccount(const Json& object) {
  Account account;
  RLHF_ASSIGN_OR_RETURN(account.name, GetString(object, "name"));
  RLHF_RETURN_IF_ERROR(CheckKeptAccountName(account.name));
  RLHF_ASSIGN_OR_RETURN(account.role, GetRole(object));
  RLHF_ASSIGN_OR_RETURN(account.password_hash,
                        GetString(object, "password_hash"));
  RLHF_ASSIGN_OR_RETURN(account.token_hash, GetString(object, "token_hash"));
  RLHF_ASSIGN_OR_RETURN(account.version, GetInt(object, "version"));
  const Json disabled = object.value("disabled", Json());
  if (!disabled.is_boolean()) {
    return absl::InvalidArgumentError("\"disabled\" is neither true nor false");
  }
  account.disabled = disabled.get<bool>();
  return account;
}

absl::StatusOr<Invitation> ParseInvitation(const Json& object) {
  Invitation invitation;
  RLHF_ASSIGN_OR_RETURN(invitation.secret_hash,
                        GetString(object, "secret_hash"));
  RLHF_ASSIGN_OR_RETURN(invitation.role, GetRole(object));
  RLHF_ASSIGN_OR_RETURN(invitation.name, GetString(object, "name"));
  RLHF_ASSIGN_OR_RETURN(const int64_t expires, GetInt(object, "expires"));
  invitation.expires = absl::FromUnixSeconds(expires);
  return invitation;
}

absl::Status CheckName(const std::string& name, bool is_kept) {
  return is_kept ? CheckKeptAccountName(name) : CheckAccountName(name);
}

// For those who may see all names.
absl::Status LooksLike(const std::string& name, const std::string& other) {
  return absl::AlreadyExistsError(absl::StrCat(
      "the name \"", name, "\" looks like \"", other,
      "\", which is taken: take one that differs by more than capitals and "
      "letters that look the same"));
}

// The objects in the list `key`.
absl::StatusOr<std::vector<Json>> GetObjects(const Json& file, const char* key,
                                             size_t max) {
  const Json list = file.value(key, Json());
  if (!list.is_array() || list.size() > max ||
      !std::all_of(list.begin(), list.end(),
                   [](const Json& one) { return one.is_object(); })) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" is no list of at most ", max, " objects"));
  }
  return list.get<std::vector<Json>>();
}

}  // namespace

std::string Invitation::id() const {
  constexpr size_t kDigits = 12;
  return absl::StrCat("invitation-", secret_hash.substr(0, kDigits));
}

absl::StatusOr<Accounts> Accounts::FromJson(absl::string_view text) {
  RLHF_ASSIGN_OR_RETURN(const Json file, ParseJson(text));
  if (!file.is_object()) {
    return absl::InvalidArgumentError("it is no JSON object");
  }
  Accounts accounts;
  RLHF_ASSIGN_OR_RETURN(const auto people,
                        GetObjects(file, "accounts", kMaxAccounts));
  for (const Json& object : people) {
    RLHF_ASSIGN_OR_RETURN(Account account, ParseAccount(object));
    const std::string name = account.name;
    accounts.accounts_[name] = std::move(account);
  }
  RLHF_ASSIGN_OR_RETURN(const auto invited,
                        GetObjects(file, "invitations", kMaxInvitations));
  for (const Json& object : invited) {
    RLHF_ASSIGN_OR_RETURN(Invitation invitation, ParseInvitation(object));
    accounts.invitations_.push_back(std::move(invitation));
  }
  return accounts;
}

std::string Accounts::ToJson() const {
  Json people = Json::array();
  for (const auto& [name, account] : accounts_) {
    people.push_back({{"name", name},
                      {"role", std::string(RoleName(account.role))},
                      {"password_hash", account.password_hash},
                      {"token_hash", account.token_hash},
                      {"disabled", account.disabled},
                      {"version", account.version}});
  }
  Json invited = Json::array();
  for (const Invitation& invitation : invitations_) {
    invited.push_back({{"secret_hash", invitation.secret_hash},
                       {"role", std::string(RoleName(invitation.role))},
                       {"name", invitation.name},
                       {"expires", absl::ToUnixSeconds(invitation.expires)}});
  }
  return Json{{"accounts", std::move(people)},
              {"invitations", std::move(invited)}}
             .dump(1) +
         "\n";
}

const Account* Accounts::Find(const std::string& name) const {
  const auto found = accounts_.find(name);
  return found == accounts_.end() ? nullptr : &found->second;
}

const Account* Accounts::ByToken(absl::string_view token) const {
  const std::string hash = SecretHash(token);
  const Account* found = nullptr;
  for (const auto& [name, account] : accounts_) {
    if (EqualSecrets(account.token_hash, hash)) found = &account;
  }
  return found;
}

std::string Accounts::NameLike(const std::string& name,
                               absl::Time open_at) const {
  const LookOfName look(name);
  const auto is_like = [&](const std::string& other) {
    return other != name && LookOfName(other).IsLike(look);
  };
  for (const auto& [other, account] : accounts_) {
    if (is_like(other)) return other;
  }
  for (const Invitation& one : invitations_) {
    if (open_at < one.expires && !one.name.empty() && is_like(one.name)) {
      return one.name;
    }
  }
  return "";
}

absl::Status Accounts::Invite(const Invitation& invitation, absl::Time now) {
  if (!invitation.name.empty()) {
    const Account* const account = Find(invitation.name);
    RLHF_RETURN_IF_ERROR(CheckName(invitation.name, account != nullptr));
    const std::string like =
        account == nullptr ? NameLike(invitation.name, now) : "";
    if (!like.empty()) return LooksLike(invitation.name, like);
    if (account != nullptr && account->role != invitation.role) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", invitation.name, "\" has an account as ",
          RoleName(account->role), ", not ", RoleName(invitation.role),
          ": invite that, or take another name"));
    }
  }
  std::erase_if(invitations_,
                [&](const Invitation& old) { return old.expires <= now; });
  if (invitations_.size() >= kMaxInvitations) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", invitations_.size(),
                     " open invitations, and no more are kept: wait until "
                     "some are used or expire"));
  }
  invitations_.push_back(invitation);
  return absl::OkStatus();
}

const Invitation* Accounts::FindInvitation(absl::string_view secret,
                                           absl::Time now) const {
  const std::string hash = SecretHash(secret);
  const Invitation* found = nullptr;
  for (const Invitation& invitation : invitations_) {
    if (EqualSecrets(invitation.secret_hash, hash)) found = &invitation;
  }
  return found != nullptr && now < found->expires ? found : nullptr;
}

absl::Status Accounts::CheckInvitation(absl::string_view secret,
                                       const std::string& name,
                                       absl::Time now) const {
  const Invitation* const invitation = FindInvitation(secret, now);
  if (invitation == nullptr) {
    return absl::PermissionDeniedError(
        "this invitation was used, has expired or never was: ask for another");
  }
  RLHF_RETURN_IF_ERROR(CheckName(name, Find(name) != nullptr));
  if (!invitation->name.empty() && invitation->name != name) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the invitation is for \"", invitation->name, "\": join by that name"));
  }
  if (invitation->name.empty() && Find(name) != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("the name \"", name, "\" is taken: choose another"));
  }
  if (Find(name) != nullptr) return absl::OkStatus();
  // Whose name it is, the invited need not know. Who was invited by name does
  // not wait for another invitation.
  if (!NameLike(name, invitation->name.empty() ? now : kNever).empty()) {
    return absl::AlreadyExistsError(absl::StrCat(
        "the name \"", name,
        "\" looks like one that is taken: choose one that differs by more "
        "than capitals and letters that look the same"));
  }
  if (accounts_.size() >= kMaxAccounts) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "there are ", accounts_.size(), " accounts, and no more are made"));
  }
  return absl::OkStatus();
}

absl::Status Accounts::Join(absl::string_view secret, const std::string& name,
                            const std::string& password_hash, absl::Time now) {
  RLHF_RETURN_IF_ERROR(CheckInvitation(secret, name, now));
  const Invitation invitation = *FindInvitation(secret, now);
  std::erase_if(invitations_, [&](const Invitation& one) {
    return one.secret_hash == invitation.secret_hash || one.name == name;
  });
  const auto [entry, is_new] = accounts_.try_emplace(name);
  Account& account = entry->second;
  account.name = name;
  account.role = invitation.role;
  account.password_hash = password_hash;
  account.token_hash.clear();
  account.disabled = false;
  if (!is_new) ++account.version;
  return absl::OkStatus();
}

absl::Status Accounts::SetToken(const std::string& name, Role role,
                                const std::string& token_hash) {
  const Account* const old = Find(name);
  RLHF_RETURN_IF_ERROR(CheckName(name, old != nullptr));
  if (old != nullptr && (old->token_hash.empty() || old->role != role)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "\"", name, "\" is ",
        old->token_hash.empty() ? "a person's account"
                                : "a program's account of another role",
        ": choose another name"));
  }
  const std::string like = old == nullptr ? NameLike(name, kNever) : "";
  if (!like.empty()) return LooksLike(name, like);
  if (old == nullptr && accounts_.size() >= kMaxAccounts) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "there are ", accounts_.size(), " accounts, and no more are made"));
  }
  Account& account = accounts_[name];
  account.name = name;
  account.role = role;
  account.token_hash = token_hash;
  account.disabled = false;
  if (old != nullptr) ++account.version;
  return absl::OkStatus();
}

absl::Status Accounts::Disable(const std::string& name) {
  const size_t num_ended =
      name.empty() ? 0
                   : std::erase_if(invitations_, [&](const Invitation& one) {
                       return IsCalled(one, name);
                     });
  const auto found = accounts_.find(name);
  if (found == accounts_.end()) {
    if (num_ended > 0) return absl::OkStatus();
    return absl::NotFoundError(
        absl::StrCat("there is no account \"", name, "\", nor an invitation"));
  }
  found->second.disabled = true;
  ++found->second.version;
  return absl::OkStatus();
}

bool Accounts::LetsIn(const std::string& name) const {
  const Account* const account = Find(name);
  if (account != nullptr && !account->disabled) return true;
  return !name.empty() && std::any_of(invitations_.begin(), invitations_.end(),
                                      [&](const Invitation& one) {
                                        return IsCalled(one, name);
                                      });
}

}  // namespace rlhf
