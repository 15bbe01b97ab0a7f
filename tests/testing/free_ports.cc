#include "tests/testing/free_ports.h"

#include <unistd.h>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {

std::vector<int> FreePorts(size_t count) {
  // Sockets stay open until all were drawn, so that no port comes twice.
  std::vector<int> ports, sockets;
  absl::BitGen random;
  while (ports.size() < count) {
    const int port = absl::Uniform(random, 10000, 32768);
    const auto socket = Listen(absl::StrCat("127.0.0.1:", port));
    if (!socket.ok()) continue;
    sockets.push_back(socket->fd);
    ports.push_back(port);
  }
  for (const int fd : sockets) ::close(fd);
  return ports;
}

void SetFreePorts(v1::RunConfig& config) {
  const std::vector<int> p = FreePorts(11);
  const auto address = [](int port) {
    return absl::StrCat("127.0.0.1:", port);
  };
  config.mutable_learner()->set_address(address(p[0]));
  config.mutable_learner()->set_metrics_port(p[1]);
  config.mutable_actor()->set_address(address(p[2]));
  config.mutable_actor()->set_metrics_port(p[3]);
  config.mutable_reward_server()->set_address(address(p[4]));
  config.mutable_reward_server()->set_metrics_port(p[5]);
  config.mutable_preference()->set_address(address(p[6]));
  config.mutable_preference()->set_metrics_port(p[7]);
  config.mutable_feedback()->set_http_address(address(p[8]));
  config.mutable_feedback()->set_address(address(p[9]));
  config.mutable_crowd()->set_metrics_port(p[10]);
}

}  // namespace rlhf
