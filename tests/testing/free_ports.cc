#include "tests/testing/free_ports.h"

#include <unistd.h>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

// Learner ranks of one run, at most.
constexpr int kMaxRanks = 8;

// Sockets that stay open until all ports were drawn, so that none comes twice.
class DrawnPorts {
 public:
  ~DrawnPorts() {
    for (const int fd : sockets_) ::close(fd);
  }

  // The first of `count` neighbours that are all free.
  int Draw(int count) {
    while (true) {
      const int first = absl::Uniform(random_, 10000, 32768 - count);
      int taken = 0;
      while (taken < count && Take(first + taken)) ++taken;
      if (taken == count) return first;
    }
  }

 private:
  bool Take(int port) {
    const auto socket = Listen(absl::StrCat("127.0.0.1:", port));
    if (socket.ok()) sockets_.push_back(socket->fd);
    return socket.ok();
  }

  absl::BitGen random_;
  std::vector<int> sockets_;
};

}  // namespace

std::vector<int> FreePorts(size_t count) {
  DrawnPorts drawn;
  std::vector<int> ports;
  while (ports.size() < count) ports.push_back(drawn.Draw(1));
  return ports;
}

void SetFreePorts(v1::RunConfig& config) {
  DrawnPorts drawn;
  const auto port = [&] { return drawn.Draw(1); };
  const auto address = [&] { return absl::StrCat("127.0.0.1:", port()); };
  config.mutable_up()->set_metrics_port(port());
  config.mutable_learner()->set_address(address());
  config.mutable_learner()->set_metrics_port(port());
  config.mutable_learner()->set_rank_metrics_port(drawn.Draw(kMaxRanks));
  config.mutable_actor()->set_address(address());
  config.mutable_actor()->set_metrics_port(port());
  config.mutable_reward_server()->set_address(address());
  config.mutable_reward_server()->set_metrics_port(port());
  config.mutable_preference()->set_address(address());
  config.mutable_preference()->set_metrics_port(port());
  config.mutable_feedback()->set_http_address(address());
  config.mutable_feedback()->set_address(address());
  config.mutable_crowd()->set_metrics_port(port());
}

}  // namespace rlhf
