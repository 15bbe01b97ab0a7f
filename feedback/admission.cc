#include "feedback/admission.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/json.h"
#include "feedback/access/secrets.h"
#include "feedback/access/web_origin.h"
#include "feedback/page_files.h"

namespace rlhf {
namespace {

bool IsPage(const Route& route) {
  return absl::string_view(route.method) == "GET" &&
         !absl::StartsWith(route.path, "/api/");
}

// The least role for a route that asks for one.
Role RoleFor(Who who) {
  switch (who) {
    case Who::kAdmin:
      return Role::kAdmin;
    case Who::kRequester:
      return Role::kRequester;
    default:
      return Role::kWorker;
  }
}

// What somebody who is logged in sees who may not use the route.
HttpResponse NotForRole(const Route& route, Role wanted, Role role) {
  const std::string problem =
      absl::StrCat(route.path, " is for the role ", RoleName(wanted),
                   "; yours is ", RoleName(role));
  if (!IsPage(route)) return JsonErrorResponse(403, problem);
  return {.status = 403,
          .content_type = "text/html; charset=utf-8",
          .body = FillTemplate("not_for_role", {{"problem", problem}})};
}

HttpResponse AskForLogin(const Route& route) {
  if (IsPage(route)) {
    return {.status = 303,
            .body = "log in first\n",
            .headers = {{"Location", "/login"}}};
  }
  HttpResponse response = JsonErrorResponse(
      401,
      "log in first: POST /api/login, or send a token as Authorization: "
      "Bearer TOKEN");
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

// A browser sends the cookie along with whatever any page makes it send; only
// our own page knows the token.
std::optional<HttpResponse> RefuseForgery(const Caller& caller,
                                          const HttpRequest& request) {
  if (request.header("origin").empty()) {
    return JsonErrorResponse(403,
                             "the request has no Origin; browsers send one, "
                             "and programs use a token in place of a session");
  }
  if (!EqualSecrets(request.header("x-csrf-token"), caller.csrf_token)) {
    return JsonErrorResponse(403,
                             "X-CSRF-Token is missing or not this session's: "
                             "GET /api/session says what to send");
  }
  return std::nullopt;
}

}  // namespace

std::optional<HttpResponse> RefuseSite(const HttpRequest& request,
                                       absl::string_view public_origin) {
  const absl::string_view host = request.header("host");
  if (!IsOwnHost(host, public_origin)) {
    return JsonErrorResponse(
        403, absl::StrCat("the host is \"", host, "\"; ask as ",
                          public_origin.empty()
                              ? std::string("localhost or 127.0.0.1")
                              : std::string(public_origin)));
  }
  // Browsers say from which site a script posts; programs say nothing.
  const absl::string_view origin = request.header("origin");
  if (request.method == "POST" && !origin.empty() &&
      !IsOwnOrigin(origin, host, public_origin)) {
    return JsonErrorResponse(
        403, absl::StrCat("requests from ", origin, " are not taken here"));
  }
  return std::nullopt;
}

std::optional<HttpResponse> RefuseCaller(const Route& route,
                                         const Caller& caller,
                                         const HttpRequest& request) {
  if (route.who == Who::kAnyone) return std::nullopt;
  if (route.who == Who::kThisMachine) {
    if (IsLoopbackHostHeader(request.header("host"))) return std::nullopt;
    return JsonErrorResponse(
        404, absl::StrCat(request.path, " is for this machine only"));
  }
  if (!caller.is_known()) return AskForLogin(route);
  const Role wanted = RoleFor(route.who);
  if (caller.role < wanted) {
    return NotForRole(route, wanted, caller.role);
  }
  if (caller.proof == Caller::Proof::kSession && request.method == "POST") {
    return RefuseForgery(caller, request);
  }
  return std::nullopt;
}

std::optional<HttpResponse> RefuseType(const Route& route,
                                       const HttpRequest& request) {
  const absl::string_view wanted = route.content_type;
  if (wanted.empty()) return std::nullopt;
  const absl::string_view sent = request.header("content-type");
  const absl::string_view type =
      absl::StripAsciiWhitespace(sent.substr(0, sent.find(';')));
  if (absl::EqualsIgnoreCase(type, wanted)) return std::nullopt;
  const std::vector<absl::string_view> others =
      absl::StrSplit(route.other_content_types, ' ', absl::SkipEmpty());
  for (const absl::string_view other : others) {
    if (absl::EqualsIgnoreCase(type, other)) return std::nullopt;
  }
  return JsonErrorResponse(
      415, absl::StrCat("the Content-Type is \"", sent, "\"; send ", wanted,
                        others.empty() ? "" : " or ",
                        absl::StrJoin(others, " or ")));
}

HttpResponse NoRoute(const RouteMatch& match, const HttpRequest& request) {
  if (match.other_method != nullptr) {
    const bool is_get = absl::string_view(match.other_method) == "GET";
    HttpResponse response = JsonErrorResponse(
        405, absl::StrCat("there is no ", request.method, " ", request.path,
                          "; use ", match.other_method, " ", request.path));
    response.headers.emplace_back("Allow", is_get ? "GET, HEAD" : "POST");
    return response;
  }
  if (absl::StartsWith(request.path, "/api/")) {
    return JsonErrorResponse(
        404, absl::StrCat("there is no ", request.path, "; there are ",
                          ListApiRoutes("POST"), ", ", ListApiRoutes("GET")));
  }
  return JsonErrorResponse(
      404, absl::StrCat("there is no ", request.path, "; the page is at /"));
}

HttpResponse TooManyRequests(absl::Duration wait) {
  const auto seconds = static_cast<int64_t>(
      std::ceil(std::max(1.0, absl::ToDoubleSeconds(wait))));
  HttpResponse response = JsonErrorResponse(
      429, absl::StrCat("too many requests: try again in ", seconds, " s"));
  response.headers.emplace_back("Retry-After", absl::StrCat(seconds));
  return response;
}

HttpRequest AsWorker(const HttpRequest& request, const std::string& worker_id) {
  HttpRequest changed = request;
  changed.query["worker_id"] = worker_id;
  absl::StatusOr<Json> body = ParseJson(request.body);
  if (body.ok() && body->is_object()) {
    (*body)["worker_id"] = worker_id;
    changed.body = DumpJson(*body);
  }
  return changed;
}

}  // namespace rlhf
