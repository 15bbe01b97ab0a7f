// Some Gloo ranks as threads of a test.
#pragma once

#include <ATen/Parallel.h>

#include <functional>
#include <thread>
#include <vector>

#include "core/comm/communicator.h"
#include "gtest/gtest.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {

inline C10dOptions OneOfRanks(int rank, int world_size, int port,
                              absl::Duration timeout) {
  return {.rank = rank,
          .world_size = world_size,
          .master_address = "127.0.0.1",
          .master_port = port,
          .store_prefix = "test",
          .timeout = timeout};
}

inline C10dOptions TwoRanks(int rank, int port, absl::Duration timeout) {
  return OneOfRanks(rank, 2, port, timeout);
}

// Runs `body` on all ranks at once; one rank alone needs no network.
inline void OnRanks(int world_size, absl::Duration timeout,
                    const std::function<void(Communicator&)>& body) {
  if (world_size == 1) {
    SingleCommunicator alone;
    return body(alone);
  }
  const int port = FreePorts(1)[0];
  std::vector<std::jthread> ranks;
  for (int rank = 0; rank < world_size; ++rank) {
    ranks.emplace_back([&, rank] {
      // They share the cores of this test.
      at::set_num_threads(1);
      const auto communicator =
          MakeC10dCommunicator(OneOfRanks(rank, world_size, port, timeout));
      ASSERT_OK(communicator);
      body(**communicator);
    });
  }
}

inline void OnTwoRanks(absl::Duration timeout,
                       const std::function<void(Communicator&)>& body) {
  OnRanks(2, timeout, body);
}

}  // namespace rlhf
