#include "cli/feedback_accounts.h"

#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "feedback/access/access_control.h"
#include "feedback/access/login_api.h"
#include "feedback/access/private_file.h"
#include "feedback/access/secrets.h"
#include "feedback/open_store.h"

namespace rlhf {
namespace {

constexpr char kInvitationLine[] = "%-23s %-10s %-20s %s\n";

std::string MinuteOf(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

absl::Status Invite(const v1::RunConfig& config, AccountFile& file, Role role,
                    const std::string& name, double hours) {
  RLHF_ASSIGN_OR_RETURN(const NewInvitation made,
                        MakeInvitation(file, role, name, hours, absl::Now()));
  const v1::FeedbackConfig& feedback = config.feedback();
  const std::string origin =
      feedback.access().public_origin().empty()
          ? absl::StrCat("http://", feedback.http_address())
          : feedback.access().public_origin();
  std::cout << origin << made.path << "\n";
  std::cerr << "for one " << RoleName(role) << ", once, until "
            << MinuteOf(made.expires) << "\n";
  return absl::OkStatus();
}

// Those that are open, without what lets in by them.
void ListInvitations(const Accounts& accounts, absl::Time now) {
  bool is_first = true;
  for (const Invitation& one : accounts.invitations()) {
    if (one.expires <= now) continue;
    if (std::exchange(is_first, false)) {
      std::cout << "\n"
                << absl::StrFormat(kInvitationLine, "invitation", "role",
                                   "until", "for");
    }
    std::cout << absl::StrFormat(
        kInvitationLine, one.id(), RoleName(one.role), MinuteOf(one.expires),
        one.name.empty() ? "whoever has the link" : one.name);
  }
}

absl::Status List(const v1::RunConfig& config, AccountFile& file) {
  RLHF_ASSIGN_OR_RETURN(
      const std::string key,
      LoadOrCreateSecret(AccessFiles(FeedbackFolder(config)).pseudonym_key()));
  RLHF_ASSIGN_OR_RETURN(const auto accounts, file.Get());
  std::cout << absl::StrFormat("%-40s %-10s %-19s %s\n", "name", "role",
                               "pseudonym", "state");
  for (const auto& [name, account] : accounts->accounts()) {
    const char* const state = account.disabled             ? "disabled"
                              : account.token_hash.empty() ? "person"
                                                           : "program";
    std::cout << absl::StrFormat("%-40s %-10s %-19s %s\n", name,
                                 RoleName(account.role), Pseudonym(key, name),
                                 state);
  }
  ListInvitations(*accounts, absl::Now());
  return absl::OkStatus();
}

absl::Status MakeToken(AccountFile& file, Role role, const std::string& name) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        "--name PROGRAM is wanted: the name under which the token's program "
        "has its account");
  }
  const std::string token = RandomSecret();
  RLHF_RETURN_IF_ERROR(file.Update([&](Accounts& accounts) {
    return accounts.SetToken(name, role, SecretHash(token));
  }));
  std::cout << token << "\n";
  std::cerr << "keep it: it is not shown again; send it as Authorization: "
               "Bearer TOKEN\n";
  return absl::OkStatus();
}

// What cannot be written is said twice: whoever disables somebody must know
// whether it was done.
absl::Status Disable(AccountFile& file, const std::string& name) {
  bool is_account = false;
  const absl::Status status = file.Update([&](Accounts& accounts) {
    is_account = accounts.Find(name) != nullptr;
    return accounts.Disable(name);
  });
  if (status.ok()) {
    std::cout
        << "\"" << name
        << (is_account
                ? "\" is disabled: a running service lets them do nothing "
                  "more\n"
                : "\": the invitation is taken back, and its link lets nobody "
                  "in\n");
  }
  if (status.ok() || absl::IsNotFound(status)) return status;
  const auto now = file.Get();
  const bool is_done = now.ok() && !(*now)->LetsIn(name);
  return absl::Status(
      status.code(),
      absl::StrCat("\"", name, "\" is ", is_done ? "disabled" : "NOT disabled",
                   ": ", status.message(),
                   is_done ? "; run it again, or a crash may undo it"
                           : "; free some space or end what holds the file, "
                             "and run it again. At once and until it stops, "
                             "the running service does it for an admin: POST "
                             "/api/accounts/NAME/disable"));
}

}  // namespace

absl::Status RunAccountsCommand(const v1::RunConfig& config,
                                const Flags& flags) {
  if (!config.feedback().access().require_login()) {
    return absl::FailedPreconditionError(
        "feedback.access.require_login is false: whoever reaches this machine "
        "needs no account; set it to true first");
  }
  const std::string folder = FeedbackFolder(config);
  RLHF_RETURN_IF_ERROR(MakeDirectories(folder));
  AccountFile file(folder);
  const std::vector<std::string>& words = flags.positional();
  if (words[0] == "accounts") return List(config, file);
  if (words[0] == "disable") return Disable(file, words[1]);
  RLHF_ASSIGN_OR_RETURN(const Role role, ParseRole(flags.String("role")));
  if (words[0] == "token") return MakeToken(file, role, flags.String("name"));
  return Invite(config, file, role, flags.String("name"),
                flags.Double("hours"));
}

std::string PseudonymOfAccount(const v1::RunConfig& config,
                               const std::string& name) {
  if (!config.feedback().access().require_login()) return "";
  const std::string folder = FeedbackFolder(config);
  AccountFile file(folder);
  const auto accounts = file.Get();
  if (!accounts.ok() || (*accounts)->Find(name) == nullptr) return "";
  const auto key = LoadOrCreateSecret(AccessFiles(folder).pseudonym_key());
  return key.ok() ? Pseudonym(*key, name) : "";
}

absl::StatusOr<std::string> OperatorToken(const v1::RunConfig& config) {
  if (!config.feedback().access().require_login()) return std::string();
  return LoadOrCreateSecret(
      AccessFiles(FeedbackFolder(config)).operator_token());
}

absl::StatusOr<std::unique_ptr<grpc::ClientContext>> OperatorContext(
    const v1::RunConfig& config, absl::Duration timeout) {
  RLHF_ASSIGN_OR_RETURN(const std::string token, OperatorToken(config));
  std::unique_ptr<grpc::ClientContext> context = ContextWithDeadline(timeout);
  if (!token.empty()) context->AddMetadata("authorization", "Bearer " + token);
  return context;
}

}  // namespace rlhf
