#include "core/config/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"

namespace rlhf {

// A prefix test would take the name "127.example.com" for a loopback address.
bool IsLoopbackHost(const std::string& host) {
  if (host == "localhost" || host == "[::1]") return true;
  in_addr ipv4 = {};
  return ::inet_pton(AF_INET, host.c_str(), &ipv4) == 1 &&
         (ntohl(ipv4.s_addr) >> 24) == 127;
}

namespace {

// "" if `address` is no HOST:PORT.
std::string HostOf(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon == std::string::npos || colon == 0 ||
      address.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return "";
  }
  return address.substr(0, colon);
}

// `what_to_do` is for a host that is not this one.
absl::Status CheckHost(const std::string& address, bool any_host,
                       absl::string_view what_to_do) {
  const std::string host = HostOf(address);
  if (host.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", address,
                     "\" is not an address; wanted HOST:PORT, such as "
                     "127.0.0.1:7101"));
  }
  if (any_host || IsLoopbackHost(host)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", address, "\" is not a loopback address: ", what_to_do));
}

}  // namespace

absl::Status CheckAddress(const std::string& address, bool has_tls) {
  return CheckHost(address, has_tls,
                   "other hosts are reached over TLS only; give the run "
                   "certificates (tls, docs/security.md) or use 127.0.0.1");
}

absl::Status CheckPageAddress(const std::string& address) {
  return CheckHost(address, /*any_host=*/false,
                   "the page is encrypted by a proxy on this machine "
                   "(docs/access.md); use 127.0.0.1");
}

absl::StatusOr<std::vector<std::string>> SplitAddresses(
    const std::string& addresses, bool has_tls) {
  std::vector<std::string> result;
  for (const absl::string_view part : absl::StrSplit(addresses, ',')) {
    std::string address(absl::StripAsciiWhitespace(part));
    RLHF_RETURN_IF_ERROR(CheckAddress(address, has_tls));
    if (std::find(result.begin(), result.end(), address) != result.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", address, "\" stands twice in \"", addresses,
                       "\"; wanted each replica once"));
    }
    result.push_back(std::move(address));
  }
  return result;
}

std::string FirstAddress(const std::string& addresses) {
  return std::string(
      absl::StripAsciiWhitespace(addresses.substr(0, addresses.find(','))));
}

}  // namespace rlhf
