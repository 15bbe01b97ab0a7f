#include "feedback/access/session_cookie.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rlhf {
namespace {

const char* CookieName(bool is_https) {
  return is_https ? "__Host-rlhf" : "rlhf";
}

}  // namespace

std::string SessionIdFromCookies(absl::string_view header, bool is_https) {
  for (absl::string_view pair : absl::StrSplit(header, ';')) {
    pair = absl::StripAsciiWhitespace(pair);
    if (absl::ConsumePrefix(&pair, CookieName(is_https)) &&
        absl::ConsumePrefix(&pair, "=")) {
      return std::string(pair);
    }
  }
  return "";
}

std::string SessionCookie(absl::string_view id, absl::Duration lifetime,
                          bool is_https) {
  return absl::StrCat(CookieName(is_https), "=", id,
                      "; Path=/; Max-Age=", absl::ToInt64Seconds(lifetime),
                      "; HttpOnly; SameSite=Strict",
                      is_https ? "; Secure" : "");
}

std::string NoSessionCookie(bool is_https) {
  return SessionCookie("", absl::ZeroDuration(), is_https);
}

}  // namespace rlhf
