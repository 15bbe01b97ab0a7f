#include "cli/doctor/measure_roles.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/config/listen_address.h"
#include "core/rpc/channel.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);
// The first question makes the connection; the fastest answer tells most of
// the clock.
constexpr int kQuestions = 6;

// The error of connecting to it; 0 if somebody listens there.
int ConnectError(const addrinfo& to, absl::Duration timeout) {
  const int fd =
      ::socket(to.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  const absl::Cleanup close = [fd] { ::close(fd); };
  if (::connect(fd, to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting = {.fd = fd, .events = POLLOUT, .revents = 0};
  const auto ms = static_cast<int>(absl::ToInt64Milliseconds(timeout));
  if (::poll(&waiting, 1, ms) <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

// Of another machine's address.
Place PlaceElsewhere(const addrinfo& to, absl::Duration timeout) {
  switch (ConnectError(to, timeout)) {
    case 0:
      return Place::kReached;
    case ECONNREFUSED:
      return Place::kRefused;
    default:
      return Place::kSilent;
  }
}

absl::StatusOr<HealthAnswer> BestAnswer(const Awaited& server) {
  const auto channel = MakeChannel(server.address, server.self, server.role);
  absl::StatusOr<HealthAnswer> best = AskHealth(channel, kPatience);
  for (int i = 1; best.ok() && i < kQuestions; ++i) {
    const auto next = AskHealth(channel, kPatience);
    if (next.ok() && next->round_trip < best->round_trip) best = next;
  }
  return best;
}

}  // namespace

Place PlaceOf(const std::string& address, const std::string& listen_address,
              absl::Duration timeout) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (!host.empty() && host.front() == '[') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints,
                    &found) != 0) {
    return Place::kUnknownHost;
  }
  const absl::Cleanup release = [found] { ::freeaddrinfo(found); };
  // Only an address of this machine can be bound.
  const auto any_port = Listen(absl::StrCat(address.substr(0, colon), ":0"));
  if (!any_port.ok()) return PlaceElsewhere(*found, timeout);
  ::close(any_port->fd);
  const auto socket = Listen(listen_address);
  if (socket.ok()) {
    ::close(socket->fd);
    return Place::kFree;
  }
  return absl::IsAlreadyExists(socket.status()) ? Place::kInUse
                                                : Place::kForbidden;
}

std::vector<RoleFigures> LookAtRoles(const v1::RunConfig& config,
                                     const std::vector<Awaited>& servers) {
  std::vector<RoleFigures> roles;
  for (const Awaited& server : servers) {
    roles.push_back({.role = server.role,
                     .address = server.address,
                     .answer = HealthAnswer()});
  }
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < servers.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::string& address = servers[i].address;
      // First, so that it is not this process's own question that holds it.
      roles[i].place =
          PlaceOf(address, ListenAddress(config, address), kPatience);
      roles[i].answer = BestAnswer(servers[i]);
    });
  }
  threads.clear();
  return roles;
}

}  // namespace rlhf
