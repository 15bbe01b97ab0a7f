#include "core/comm/local_address.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace rlhf {

absl::StatusOr<std::string> LocalAddressTowards(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  // Connecting a datagram socket only asks the routing table; any port will do.
  if (const int error = ::getaddrinfo(host.c_str(), "9", &hints, &found);
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
    if (::connect(fd, a->ai_addr, a->ai_addrlen) == 0 &&
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

}  // namespace rlhf
