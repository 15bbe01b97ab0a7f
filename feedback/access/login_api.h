// The JSON API of logging in and of accounts.
//
//   GET  /api/session   {"login_required", "logged_in", "name", "role",
//                       "worker_id", "csrf_token"}; the last goes into the
//                       header X-CSRF-Token of every POST of this session
//   POST /api/login     {"name", "password"}: as /api/session, and a cookie;
//                       401 wrong, 429 too often wrong
//   POST /api/join      {"token", "name", "password"}: the same; 403 no such
//                       invitation, 409 the name is taken
//   POST /api/logout    {"logged_in": false}
//   GET  /api/accounts  {"accounts": [{"name", "role", "worker_id", "disabled",
//                       "is_program"}], "open_invitations"}
//   POST /api/invitations            {"role", "name" (optional), "hours" (72)}:
//                                    {"path", "expires"}
//   POST /api/accounts/NAME/disable  {"disabled": true}
//
// Without require_login there are no accounts: all but the first say 409.
#pragma once

#include <string>

#include "core/base/clock.h"
#include "core/telemetry/http_server.h"
#include "feedback/access/access_control.h"
#include "feedback/access/caller.h"

namespace rlhf {

// Thread-safe.
class LoginApi {
 public:
  // Neither is owned; both must outlive this.
  LoginApi(AccessControl* access, const Clock* clock)
      : access_(access), clock_(clock) {}

  HttpResponse GetSession(const Caller& caller) const;
  HttpResponse LogIn(const HttpRequest& request, const Caller& caller);
  HttpResponse Join(const HttpRequest& request, const Caller& caller);
  HttpResponse LogOut(const Caller& caller);
  HttpResponse GetAccounts();
  HttpResponse Invite(const HttpRequest& request);
  HttpResponse Disable(const std::string& name);

 private:
  HttpResponse Welcome(const absl::StatusOr<Caller>& caller) const;

  AccessControl* const access_;
  const Clock* const clock_;
};

// An invitation as somebody hands it out.
struct NewInvitation {
  // "/join?token=…", to be put behind the page's address.
  std::string path;
  absl::Time expires;
};

// Invites into `accounts` for `hours`; `name` may be empty.
// Errors: as AccountFile::Update and Accounts::Invite; InvalidArgument unless
// 0 < hours <= 720.
absl::StatusOr<NewInvitation> MakeInvitation(AccountFile& accounts, Role role,
                                             const std::string& name,
                                             double hours, absl::Time now);

}  // namespace rlhf
