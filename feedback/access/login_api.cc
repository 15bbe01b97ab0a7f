#include "feedback/access/login_api.h"

#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "feedback/access/secrets.h"
#include "feedback/admission.h"
#include "feedback/api_responses.h"

namespace rlhf {
namespace {

constexpr double kMaxInvitationHours = 720;
constexpr double kInvitationHours = 72;

// `text` with all but the characters that any URL may hold as %XX.
std::string PercentEncoded(absl::string_view text) {
  std::string encoded;
  for (const unsigned char byte : text) {
    if (absl::ascii_isalnum(byte) || byte == '-' || byte == '_') {
      encoded.push_back(static_cast<char>(byte));
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", byte);
    }
  }
  return encoded;
}

HttpResponse NoAccounts() {
  return JsonErrorResponse(409,
                           "feedback.access.require_login is false: nobody has "
                           "an account here, and nobody needs one");
}

// The string members `keys` of a body.
absl::StatusOr<std::vector<std::string>> GetStrings(
    const HttpRequest& request, std::initializer_list<const char*> keys) {
  RLHF_ASSIGN_OR_RETURN(const Json object, ParseObject(request.body, keys));
  std::vector<std::string> values;
  for (const char* const key : keys) {
    RLHF_ASSIGN_OR_RETURN(std::string value, GetString(object, key));
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace

absl::StatusOr<NewInvitation> MakeInvitation(AccountFile& accounts, Role role,
                                             const std::string& name,
                                             double hours, absl::Time now) {
  if (!(hours > 0 && hours <= kMaxInvitationHours)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an invitation for ", hours,
        " hours; it must be more than 0 and at most ", kMaxInvitationHours));
  }
  const std::string token = RandomSecret();
  const absl::Time expires = now + absl::Hours(hours);
  RLHF_RETURN_IF_ERROR(accounts.Update([&](Accounts& changed) {
    return changed.Invite({.secret_hash = SecretHash(token),
                           .role = role,
                           .name = name,
                           .expires = expires},
                          now);
  }));
  std::string path = "/join?token=" + token;
  if (!name.empty()) absl::StrAppend(&path, "&name=", PercentEncoded(name));
  return NewInvitation{.path = std::move(path), .expires = expires};
}

HttpResponse LoginApi::GetSession(const Caller& caller) const {
  const bool logged_in = caller.is_known();
  return JsonResponse(
      DumpJson({{"login_required", access_->require_login()},
                {"logged_in", logged_in},
                {"name", caller.name},
                {"role", logged_in ? std::string(RoleName(caller.role)) : ""},
                {"worker_id", caller.worker_id},
                {"csrf_token", caller.csrf_token}}));
}

HttpResponse LoginApi::Welcome(const absl::StatusOr<Caller>& caller) const {
  if (!caller.ok()) return ErrorResponse(caller.status());
  HttpResponse response = GetSession(*caller);
  response.headers.emplace_back("Set-Cookie", access_->Cookie(*caller));
  return response;
}

HttpResponse LoginApi::LogIn(const HttpRequest& request, const Caller& caller) {
  if (!access_->require_login()) return NoAccounts();
  const auto given = GetStrings(request, {"name", "password"});
  if (!given.ok()) return ErrorResponse(given.status());
  const absl::Duration wait = access_->TakeLogin((*given)[0], caller);
  if (wait > absl::ZeroDuration()) return TooManyRequests(wait);
  const auto logged_in = access_->LogIn((*given)[0], (*given)[1]);
  // Nor is it counted that others logged in at the same moment.
  if (logged_in.ok() || absl::IsUnavailable(logged_in.status())) {
    access_->ForgiveLogin((*given)[0], caller);
  }
  return Welcome(logged_in);
}

HttpResponse LoginApi::Join(const HttpRequest& request, const Caller& caller) {
  if (!access_->require_login()) return NoAccounts();
  const auto given = GetStrings(request, {"token", "name", "password"});
  if (!given.ok()) return ErrorResponse(given.status());
  // An invitation is tried as a name is: neither is guessed by many tries.
  const absl::Duration wait = access_->TakeLogin((*given)[0], caller);
  if (wait > absl::ZeroDuration()) return TooManyRequests(wait);
  const auto joined = access_->Join((*given)[0], (*given)[1], (*given)[2]);
  // Only an invitation that there is not counts as a try.
  if (!absl::IsPermissionDenied(joined.status())) {
    access_->ForgiveLogin((*given)[0], caller);
  }
  return Welcome(joined);
}

HttpResponse LoginApi::LogOut(const Caller& caller) {
  if (!access_->require_login()) return NoAccounts();
  access_->LogOut(caller);
  HttpResponse response = JsonResponse(DumpJson({{"logged_in", false}}));
  response.headers.emplace_back("Set-Cookie", access_->NoCookie());
  return response;
}

HttpResponse LoginApi::GetAccounts() {
  if (!access_->require_login()) return NoAccounts();
  const auto accounts = access_->accounts().Get();
  if (!accounts.ok()) return ErrorResponse(accounts.status());
  Json list = Json::array();
  for (const auto& [name, account] : (*accounts)->accounts()) {
    list.push_back({{"name", name},
                    {"role", std::string(RoleName(account.role))},
                    {"worker_id", access_->pseudonym(name)},
                    {"disabled", account.disabled},
                    {"is_program", !account.token_hash.empty()}});
  }
  return JsonResponse(
      DumpJson({{"accounts", std::move(list)},
                {"open_invitations", (*accounts)->invitations().size()}}));
}

HttpResponse LoginApi::Invite(const HttpRequest& request) {
  if (!access_->require_login()) return NoAccounts();
  const auto object = ParseObject(request.body, {"role", "name", "hours"});
  if (!object.ok()) return ErrorResponse(object.status());
  const auto role_name = GetString(*object, "role");
  if (!role_name.ok()) return ErrorResponse(role_name.status());
  const auto role = ParseRole(*role_name);
  if (!role.ok()) return ErrorResponse(role.status());
  const Json name = object->value("name", Json(""));
  const Json hours = object->value("hours", Json(kInvitationHours));
  if (!name.is_string() || !hours.is_number()) {
    return JsonErrorResponse(400,
                             "\"name\" must be a text, and \"hours\" a number");
  }
  const auto made =
      MakeInvitation(access_->accounts(), *role, name.get<std::string>(),
                     hours.get<double>(), clock_->Now());
  if (!made.ok()) return ErrorResponse(made.status());
  return JsonResponse(
      DumpJson({{"path", made->path},
                {"expires", absl::FormatTime(absl::RFC3339_sec, made->expires,
                                             absl::UTCTimeZone())}}));
}

HttpResponse LoginApi::Disable(const std::string& name) {
  if (!access_->require_login()) return NoAccounts();
  const absl::Status status = access_->accounts().Disable(name);
  if (!status.ok()) return ErrorResponse(status);
  return JsonResponse(DumpJson({{"disabled", true}}));
}

}  // namespace rlhf
