#include "feedback/test_cut_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "core/base/check.h"

namespace rlhf {
namespace {

// How soon a stop is seen.
constexpr int kPollMs = 20;

int MakeSocket(const std::string& path, sockaddr_un& address) {
  address = {.sun_family = AF_UNIX};
  RLHF_CHECK(path.size() < sizeof(address.sun_path)) << path;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  RLHF_CHECK(fd >= 0);
  return fd;
}

bool IsReadable(int fd) {
  pollfd one = {.fd = fd, .events = POLLIN};
  return ::poll(&one, 1, kPollMs) > 0;
}

}  // namespace

CutProxy::CutProxy(std::string server_socket)
    : server_socket_(std::move(server_socket)) {
  sockaddr_un address;
  listener_ = MakeSocket(folder_ / ".s.PGSQL.5432", address);
  RLHF_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address),
                    sizeof(address)) == 0);
  RLHF_CHECK(::listen(listener_, 8) == 0);
  thread_ = std::jthread([this](std::stop_token stop) { Serve(stop); });
}

CutProxy::~CutProxy() {
  thread_ = std::jthread();
  ::close(listener_);
}

void CutProxy::Serve(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!IsReadable(listener_)) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    sockaddr_un address;
    const int server = MakeSocket(server_socket_, address);
    if (!refuse_ && ::connect(server, reinterpret_cast<sockaddr*>(&address),
                              sizeof(address)) == 0) {
      Forward(client, server, stop);
    }
    ::close(client);
    ::close(server);
  }
}

void CutProxy::Forward(int client, int server, const std::stop_token& stop) {
  commit_sent_ = false;
  while (!stop.stop_requested()) {
    pollfd both[] = {{.fd = client, .events = POLLIN},
                     {.fd = server, .events = POLLIN}};
    if (::poll(both, 2, kPollMs) <= 0) continue;
    if (both[0].revents != 0 && !Pass(client, server, true)) return;
    if (both[1].revents != 0 && !Pass(server, client, false)) return;
  }
}

bool CutProxy::Pass(int from, int to, bool is_client) {
  char buffer[1 << 16];
  const ssize_t size = ::read(from, buffer, sizeof(buffer));
  if (size <= 0) return false;
  const bool is_commit =
      is_client && absl::StrContains(absl::string_view(buffer, size), "COMMIT");
  const bool cut_now =
      is_commit ? cut_ == Cut::kBeforeCommit : !is_client && commit_sent_;
  if (cut_now) {
    cut_ = Cut::kNever;
    if (refuse_after_cut_) refuse_ = true;
    ++num_cuts_;
    return false;
  }
  if (is_commit && cut_ == Cut::kAfterCommit) commit_sent_ = true;
  for (ssize_t sent = 0; sent < size;) {
    const ssize_t more = ::send(to, buffer + sent, size - sent, MSG_NOSIGNAL);
    if (more <= 0) return false;
    sent += more;
  }
  return true;
}

}  // namespace rlhf
