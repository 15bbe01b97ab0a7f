#include "core/comm/local_address.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/shutdown.h"

namespace rlhf {
namespace {

// Between two look-ups.
constexpr absl::Duration kPause = absl::Milliseconds(500);

// ::bind or ::connect. Of a datagram socket the latter only asks the routing
// table.
using Attach = int (*)(int, const sockaddr*, socklen_t);

// The socket's own address after the first of the host's that `attach` takes.
absl::StatusOr<std::string> OwnAddress(const std::string& host,
                                       const char* port, Attach attach) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port, &hints, &found);
      error != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot look up ", host, ": ", ::gai_strerror(error)));
  }
  const absl::Cleanup release = [found] { ::freeaddrinfo(found); };
  int error = 0;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const absl::Cleanup close = [fd] { ::close(fd); };
    sockaddr_storage own{};
    socklen_t size = sizeof(own);
    char text[NI_MAXHOST];
    if (attach(fd, a->ai_addr, a->ai_addrlen) == 0 &&
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
        ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text,
                      sizeof(text), nullptr, 0, NI_NUMERICHOST) == 0) {
      return std::string(text);
    }
    error = errno;
  }
  return absl::UnavailableError(
      absl::StrCat("there is no way to ", host, ": ", ::strerror(error)));
}

}  // namespace

absl::StatusOr<std::string> LocalAddressTowards(const std::string& host) {
  return OwnAddress(host, "9", ::connect);  // any port will do
}

absl::StatusOr<std::string> LocalAddressKnownAs(const std::string& host,
                                                absl::Duration timeout) {
  const absl::Time deadline = MonotonicNow() + timeout;
  while (true) {
    auto address = OwnAddress(host, "0", ::bind);
    if (!address.ok()) address = LocalAddressTowards(host);
    const absl::Duration left = deadline - MonotonicNow();
    if (address.ok() || left <= absl::ZeroDuration() || ShutdownRequested()) {
      return address;
    }
    WaitForShutdown(std::min(kPause, left));
  }
}

std::string WithPort(const std::string& host, int port) {
  const bool bare = absl::StrContains(host, ':') && host.front() != '[';
  return bare ? absl::StrCat("[", host, "]:", port)
              : absl::StrCat(host, ":", port);
}

}  // namespace rlhf
