#include "feedback/access/web_origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/config/address.h"

namespace rlhf {
namespace {

constexpr char kScheme[] = "https://";
constexpr size_t kMaxOriginBytes = 253;
constexpr size_t kIpv6PrefixBytes = 8;
constexpr size_t kIpv4InIpv6Begin = 12;

// Labels of lower-case letters, digits and hyphens, with a dot between them.
bool IsHostName(absl::string_view host) {
  for (const absl::string_view label : absl::StrSplit(host, '.')) {
    const bool is_plain = std::all_of(label.begin(), label.end(), [](char c) {
      return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
    });
    if (label.empty() || !is_plain) return false;
  }
  return true;
}

// ":8443", as browsers write it: without zeros in front.
bool IsPort(absl::string_view port) {
  int number = 0;
  return absl::SimpleAtoi(port.substr(1), &number) && number >= 1 &&
         number <= 65535 && port == absl::StrCat(":", number);
}

}  // namespace

absl::Status CheckPublicOrigin(const v1::AccessConfig& config) {
  const absl::string_view origin = config.public_origin();
  if (origin.empty()) return absl::OkStatus();
  if (!config.require_login()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "feedback.access.public_origin is \"", origin,
        "\", but nobody has to log in: set feedback.access.require_login to "
        "true, or leave it empty"));
  }
  absl::string_view host = origin;
  const bool is_https = absl::ConsumePrefix(&host, kScheme);
  const size_t colon = std::min(host.find(':'), host.size());
  const absl::string_view port = host.substr(colon);
  if (is_https && host.size() <= kMaxOriginBytes &&
      IsHostName(host.substr(0, colon)) && (port.empty() || IsPort(port))) {
    if (port != ":443") return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "feedback.access.public_origin is \"", origin,
        "\": leave \":443\" out; it is the port of https, and browsers do not "
        "send it"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "feedback.access.public_origin is \"", origin,
      "\"; it must be https://HOST or https://HOST:PORT in lower case, without "
      "a path, as \"https://label.example.org\""));
}

bool IsLoopbackHostHeader(absl::string_view header) {
  const std::string host(header);
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.back() != ']';
  return IsLoopbackHost(has_port ? host.substr(0, colon) : host);
}

bool IsOwnHost(absl::string_view host, absl::string_view public_origin) {
  if (IsLoopbackHostHeader(host)) return true;
  absl::string_view public_host = public_origin;
  return absl::ConsumePrefix(&public_host, kScheme) &&
         absl::EqualsIgnoreCase(host, public_host);
}

bool IsOwnOrigin(absl::string_view origin, absl::string_view host,
                 absl::string_view public_origin) {
  if (!public_origin.empty() && origin == public_origin) return true;
  return IsLoopbackHostHeader(host) &&
         absl::ConsumePrefix(&origin, "http://") && origin == host;
}

std::string AddressKey(const std::string& address) {
  in_addr v4 = {};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return address;
  in6_addr v6 = {};
  if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1) return "unknown";
  // ::ffff:a.b.c.d, as a proxy that listens to both says it.
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, v6.s6_addr + kIpv4InIpv6Begin, text, sizeof text);
    return text;
  }
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(v6.s6_addr), kIpv6PrefixBytes));
}

}  // namespace rlhf
