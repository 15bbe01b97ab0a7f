// The cookie that holds a session's id.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rlhf {

// The id in a Cookie header; empty if there is none. Behind https the name is
// one that a browser takes only from this very host.
std::string SessionIdFromCookies(absl::string_view header, bool is_https);

// A Set-Cookie header's value: out of reach of scripts, never sent along from
// another site, and with https only over it.
std::string SessionCookie(absl::string_view id, absl::Duration lifetime,
                          bool is_https);

// The one that makes a browser forget it.
std::string NoSessionCookie(bool is_https);

}  // namespace rlhf
