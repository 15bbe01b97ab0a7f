#include "bench/http_post.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

absl::Status Failed(const char* what) {
  const int error = errno;
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  if (error == EAGAIN || error == EWOULDBLOCK) {
    return absl::DeadlineExceededError(text);
  }
  return absl::UnavailableError(text);
}

absl::Status Connect(int fd, int port, absl::Duration timeout) {
  const timeval limit = absl::ToTimeval(timeout);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) != 0) {
    return Failed("connect");
  }
  return absl::OkStatus();
}

absl::Status SendAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return Failed("send");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

// Until the other side closes.
absl::StatusOr<std::string> ReceiveAll(int fd) {
  std::string all;
  char buffer[4096];
  while (true) {
    const ssize_t got = ::recv(fd, buffer, sizeof(buffer), 0);
    if (got < 0) return Failed("receive");
    if (got == 0) return all;
    all.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace

absl::StatusOr<std::string> PostJson(int port, const std::string& body,
                                     absl::Duration timeout) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed("socket");
  const auto close = absl::MakeCleanup([fd] { ::close(fd); });
  RLHF_RETURN_IF_ERROR(Connect(fd, port, timeout));
  RLHF_RETURN_IF_ERROR(SendAll(
      fd, absl::StrCat("POST / HTTP/1.0\r\nHost: 127.0.0.1\r\n"
                       "Content-Type: application/json\r\nContent-Length: ",
                       body.size(), "\r\n\r\n", body)));
  RLHF_ASSIGN_OR_RETURN(const std::string reply, ReceiveAll(fd));
  const size_t end = reply.find("\r\n\r\n");
  const std::string first = reply.substr(0, reply.find("\r\n"));
  if (end == std::string::npos || !absl::StrContains(first, " 200 ")) {
    return absl::InternalError(
        absl::StrCat("found \"", first, "\"; wanted status 200"));
  }
  return reply.substr(end + 4);
}

}  // namespace rlhf
