// Two Gloo ranks as two threads of a test.
#pragma once

#include <unistd.h>

#include <functional>
#include <thread>
#include <vector>

#include "core/base/check.h"
#include "core/comm/communicator.h"
#include "core/telemetry/listen_socket.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {

// A port that was free a moment ago.
inline int FreePort() {
  const auto socket = Listen("127.0.0.1:0");
  RLHF_CHECK(socket.ok()) << socket.status();
  ::close(socket->fd);
  return socket->port;
}

inline C10dOptions TwoRanks(int rank, int port, absl::Duration timeout) {
  return {.rank = rank,
          .world_size = 2,
          .master_address = "127.0.0.1",
          .master_port = port,
          .store_prefix = "test",
          .timeout = timeout};
}

// Runs `body` on both ranks at once.
inline void OnTwoRanks(absl::Duration timeout,
                       const std::function<void(Communicator&)>& body) {
  const int port = FreePort();
  std::vector<std::jthread> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      const auto communicator =
          MakeC10dCommunicator(TwoRanks(rank, port, timeout));
      ASSERT_OK(communicator);
      body(**communicator);
    });
  }
}

}  // namespace rlhf
