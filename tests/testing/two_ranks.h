// Two Gloo ranks as two threads of a test.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "core/comm/communicator.h"
#include "gtest/gtest.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {

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
  const int port = FreePorts(1)[0];
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
