#include "trainer/parallel/rates.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <thread>

#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/comm/communicator.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

constexpr int64_t kWidth = 1024;
constexpr double kSeconds = 0.4;
constexpr int kTransfers = 4;

// The seconds that `rank` needs for the transfers of `flat`, after one that
// sets up the connection.
absl::StatusOr<double> TimeTransfers(int rank, int port,
                                     const at::Tensor& flat) {
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Communicator> communicator,
                        MakeC10dCommunicator({.rank = rank,
                                              .world_size = 2,
                                              .master_address = "127.0.0.1",
                                              .master_port = port,
                                              .store_prefix = "plan"}));
  Stopwatch stopwatch;
  for (int i = 0; i <= kTransfers; ++i) {
    if (i == 1) stopwatch = Stopwatch();
    RLHF_RETURN_IF_ERROR(
        communicator->StartAllGather(flat, "numbers to measure")->Wait());
  }
  return stopwatch.seconds();
}

}  // namespace

double MeasureGemm(at::ScalarType dtype) {
  const at::Tensor a = at::randn({kWidth, kWidth}).to(dtype);
  const at::Tensor b = at::randn({kWidth, kWidth}).to(dtype);
  at::matmul(a, b);
  const Stopwatch stopwatch;
  int count = 0;
  do {
    at::matmul(a, b);
    ++count;
  } while (stopwatch.seconds() < kSeconds);
  return 2.0 * kWidth * kWidth * kWidth * count / stopwatch.seconds();
}

absl::StatusOr<double> MeasureLink() {
  // Port 0 lets the system choose; it is free again once closed.
  RLHF_ASSIGN_OR_RETURN(const ListenSocket socket, Listen("127.0.0.1:0"));
  ::close(socket.fd);
  const std::array<at::Tensor, 2> flats = {at::zeros({16 << 20}),
                                           at::zeros({16 << 20})};
  absl::StatusOr<double> other = 0.0;
  std::jthread second([&] { other = TimeTransfers(1, socket.port, flats[1]); });
  const absl::StatusOr<double> own = TimeTransfers(0, socket.port, flats[0]);
  second.join();
  RLHF_RETURN_IF_ERROR(own.status());
  RLHF_RETURN_IF_ERROR(other.status());
  return kTransfers * static_cast<double>(flats[0].nbytes()) / 2 / *own;
}

}  // namespace rlhf
