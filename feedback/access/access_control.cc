#include "feedback/access/access_control.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "feedback/access/private_file.h"
#include "feedback/access/secrets.h"
#include "feedback/access/session_cookie.h"
#include "feedback/access/web_origin.h"

namespace rlhf {
namespace {

constexpr size_t kPseudonymDigits = 16;
// A session that nobody uses ends after this share of its longest life.
constexpr double kIdleShare = 0.25;
// Who logs in holds a core for 0.1 s.
constexpr int kMaxHashing = 2;
// No account has this name: it has a control character.
constexpr char kOperatorKey[] = "\toperator";

// One of the few places for those whose password is hashed just now.
class HashingSlot {
 public:
  explicit HashingSlot(std::atomic<int>* num_hashing)
      : num_hashing_(num_hashing),
        is_free_(num_hashing->fetch_add(1) < kMaxHashing) {}
  ~HashingSlot() { num_hashing_->fetch_sub(1); }
  HashingSlot(const HashingSlot&) = delete;
  HashingSlot& operator=(const HashingSlot&) = delete;

  absl::Status status() const {
    if (is_free_) return absl::OkStatus();
    return absl::UnavailableError(
        "too many log in at this moment: try again in a second");
  }

 private:
  std::atomic<int>* const num_hashing_;
  const bool is_free_;
};

}  // namespace

std::string Pseudonym(const std::string& key, const std::string& name) {
  return absl::StrCat("w-",
                      HmacSha256Hex(key, name).substr(0, kPseudonymDigits));
}

AccessControl::AccessControl(const v1::AccessConfig& config,
                             const std::string& folder, const Clock* clock,
                             const Limits& limits)
    : config_(config),
      clock_(clock),
      accounts_(folder),
      sessions_({.absolute = session_lifetime(),
                 .idle = kIdleShare * session_lifetime()}),
      session_requests_(limits.session),
      program_requests_(limits.program),
      address_requests_(limits.address),
      login_names_(limits.login_name),
      login_addresses_(limits.login_address) {}

absl::StatusOr<std::unique_ptr<AccessControl>> AccessControl::Open(
    const v1::AccessConfig& config, const std::string& folder,
    const Clock* clock, const Limits& limits) {
  std::unique_ptr<AccessControl> control(
      new AccessControl(config, folder, clock, limits));
  RLHF_RETURN_IF_ERROR(CheckPublicOrigin(config));
  if (!config.require_login()) return control;
  const AccessFiles files(folder);
  RLHF_RETURN_IF_ERROR(MakeDirectories(folder));
  RLHF_ASSIGN_OR_RETURN(control->pseudonym_key_,
                        LoadOrCreateSecret(files.pseudonym_key()));
  RLHF_ASSIGN_OR_RETURN(control->operator_token_,
                        LoadOrCreateSecret(files.operator_token()));
  RLHF_RETURN_IF_ERROR(control->accounts_.Get().status());
  return control;
}

absl::Duration AccessControl::session_lifetime() const {
  return absl::Hours(config_.session_hours());
}

// A proxy says who asks, and overwrites what its client said of it: believed
// only where there is one, and of this machine. X-Forwarded-For, to which each
// proxy adds, is never read.
std::string AccessControl::ClientAddress(const HttpRequest& request) const {
  const bool is_here = IsLoopbackHost(request.peer) || request.peer == "::1";
  if (!is_https() || !is_here) {
    return AddressKey(request.peer);
  }
  return AddressKey(std::string(request.header("x-real-ip")));
}

Caller AccessControl::CallerOf(const Account& account,
                               Caller::Proof proof) const {
  return {.proof = proof,
          .role = account.role,
          .name = account.name,
          .worker_id = pseudonym(account.name)};
}

Caller AccessControl::BySession(const std::string& id,
                                const Accounts& accounts) {
  MutexLock lock(&mutex_);
  const Sessions::Session* const session =
      sessions_.Use(id, clock_->Monotonic());
  if (session == nullptr) return {};
  const Account* const account = accounts.Find(session->account);
  if (account == nullptr || account->disabled ||
      account->version != session->account_version) {
    sessions_.End(id);
    return {};
  }
  Caller caller = CallerOf(*account, Caller::Proof::kSession);
  caller.session_id = id;
  caller.csrf_token = session->csrf_token;
  // Never the id itself: this key is nobody's secret.
  caller.limit_key = SecretHash(id);
  return caller;
}

Caller AccessControl::ByToken(absl::string_view token,
                              const Accounts& accounts) const {
  if (EqualSecrets(token, operator_token_)) {
    return {.proof = Caller::Proof::kToken,
            .role = Role::kAdmin,
            .name = "operator",
            .worker_id = pseudonym(kOperatorKey),
            .is_operator = true,
            .limit_key = kOperatorKey};
  }
  const Account* const account = accounts.ByToken(token);
  if (account == nullptr || account->disabled) return {};
  Caller caller = CallerOf(*account, Caller::Proof::kToken);
  caller.limit_key = account->name;
  return caller;
}

absl::StatusOr<Caller> AccessControl::Identify(const HttpRequest& request) {
  if (!require_login()) {
    return Caller{.proof = Caller::Proof::kNotAsked, .role = Role::kRequester};
  }
  RLHF_ASSIGN_OR_RETURN(const auto accounts, accounts_.Get());
  Caller caller;
  absl::string_view authorization = request.header("authorization");
  if (absl::ConsumePrefix(&authorization, "Bearer ")) {
    caller = ByToken(authorization, *accounts);
  } else {
    const std::string id =
        SessionIdFromCookies(request.header("cookie"), is_https());
    if (!id.empty()) caller = BySession(id, *accounts);
  }
  if (!caller.is_known()) caller.limit_key = ClientAddress(request);
  return caller;
}

absl::Duration AccessControl::TakeRequest(const Caller& caller) {
  MutexLock lock(&mutex_);
  switch (caller.proof) {
    case Caller::Proof::kNotAsked:
      return absl::ZeroDuration();
    case Caller::Proof::kSession:
      return session_requests_.Take(caller.limit_key, clock_->Monotonic());
    case Caller::Proof::kToken:
      return program_requests_.Take(caller.limit_key, clock_->Monotonic());
    case Caller::Proof::kNone:
      break;
  }
  return address_requests_.Take(caller.limit_key, clock_->Monotonic());
}

absl::Duration AccessControl::TakeLogin(const std::string& name,
                                        const Caller& caller) {
  MutexLock lock(&mutex_);
  const absl::Time now = clock_->Monotonic();
  const absl::Duration wait = login_addresses_.Take(caller.limit_key, now);
  if (wait > absl::ZeroDuration()) return wait;
  // Hashed: whatever somebody sends as a name is no longer than this.
  return login_names_.Take(SecretHash(name), now);
}

void AccessControl::ForgiveLogin(const std::string& name,
                                 const Caller& caller) {
  MutexLock lock(&mutex_);
  login_addresses_.GiveBack(caller.limit_key);
  login_names_.GiveBack(SecretHash(name));
}

absl::StatusOr<Caller> AccessControl::LogIn(const std::string& name,
                                            const std::string& password) {
  RLHF_ASSIGN_OR_RETURN(const auto accounts, accounts_.Get());
  const Account* const account = accounts->Find(name);
  const HashingSlot slot(&num_hashing_);
  RLHF_RETURN_IF_ERROR(slot.status());
  const bool is_right = VerifyPassword(
      account == nullptr ? "" : account->password_hash, password);
  if (!is_right || account->disabled) {
    return absl::UnauthenticatedError(
        "there is no such name with this password; whoever forgot it asks for "
        "a new invitation");
  }
  return BeginSession(*account);
}

absl::StatusOr<Caller> AccessControl::Join(const std::string& invitation,
                                           const std::string& name,
                                           const std::string& password) {
  RLHF_ASSIGN_OR_RETURN(const auto before, accounts_.Get());
  // Only who is invited makes this machine work.
  RLHF_RETURN_IF_ERROR(
      before->CheckInvitation(invitation, name, clock_->Now()));
  RLHF_RETURN_IF_ERROR(CheckPassword(password));
  const HashingSlot slot(&num_hashing_);
  RLHF_RETURN_IF_ERROR(slot.status());
  RLHF_ASSIGN_OR_RETURN(const std::string hash, HashPassword(password));
  Account account;
  RLHF_RETURN_IF_ERROR(accounts_.Update([&](Accounts& accounts) {
    RLHF_RETURN_IF_ERROR(accounts.Join(invitation, name, hash, clock_->Now()));
    account = *accounts.Find(name);
    return absl::OkStatus();
  }));
  return BeginSession(account);
}

Caller AccessControl::BeginSession(const Account& account) {
  MutexLock lock(&mutex_);
  Caller caller = CallerOf(account, Caller::Proof::kSession);
  caller.session_id =
      sessions_.Begin(account.name, account.version, clock_->Monotonic());
  caller.csrf_token =
      sessions_.Use(caller.session_id, clock_->Monotonic())->csrf_token;
  caller.limit_key = SecretHash(caller.session_id);
  return caller;
}

void AccessControl::LogOut(const Caller& caller) {
  MutexLock lock(&mutex_);
  sessions_.End(caller.session_id);
}

std::string AccessControl::Cookie(const Caller& caller) const {
  return SessionCookie(caller.session_id, session_lifetime(), is_https());
}

std::string AccessControl::NoCookie() const {
  return NoSessionCookie(is_https());
}

}  // namespace rlhf
