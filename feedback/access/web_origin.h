// Which names the service answers to, and which pages may talk to it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// InvalidArgument if public_origin is given and is not "https://HOST" or
// "https://HOST:PORT" as browsers send it, so without port 443, or if nobody
// has to log in there.
absl::Status CheckPublicOrigin(const v1::AccessConfig& config);

// Whether a Host header names this machine's own loopback.
bool IsLoopbackHostHeader(absl::string_view host);

// Whether a Host header names this service: the loopback, or the host of
// `public_origin`, which may be empty. A site whose name was pointed at this
// machine is, to a browser, the origin of what it reads here; only the Host
// header still tells its name.
bool IsOwnHost(absl::string_view host, absl::string_view public_origin);

// Whether `origin`, an Origin header that was sent with the `host`, is this
// service's own page.
bool IsOwnOrigin(absl::string_view origin, absl::string_view host,
                 absl::string_view public_origin);

// Whom a limit counts as one: an IPv4 address, also one that is written as
// IPv6 (::ffff:192.0.2.7), or the first 64 bits of an IPv6
// address, of which anybody has as many as they like. "unknown" for what is no
// address.
std::string AddressKey(const std::string& address);

}  // namespace rlhf
