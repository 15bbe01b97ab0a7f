#include "trainer/parallel/rates.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

constexpr int64_t kWidth = 1024;
constexpr double kSeconds = 0.4;
constexpr int kTransfers = 4;
constexpr int64_t kLinkBytes = 32 << 20;

absl::StatusOr<double> MeasureAs(int rank, int port) {
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Communicator> communicator,
                        MakeC10dCommunicator({.rank = rank,
                                              .world_size = 2,
                                              .master_address = "127.0.0.1",
                                              .master_port = port,
                                              .store_prefix = "plan"}));
  return MeasureSending(*communicator, kLinkBytes);
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

absl::StatusOr<double> MeasureSending(Communicator& both, int64_t bytes) {
  const at::Tensor flat = at::zeros({2 * bytes}, at::kByte);
  Stopwatch stopwatch;
  for (int i = 0; i <= kTransfers; ++i) {
    if (i == 1) stopwatch = Stopwatch();
    RLHF_RETURN_IF_ERROR(
        both.StartAllGather(flat, "numbers to measure")->Wait());
  }
  return kTransfers * static_cast<double>(bytes) / stopwatch.seconds();
}

absl::StatusOr<double> MeasureLink() {
  // Port 0 lets the system choose; it is free again once closed.
  RLHF_ASSIGN_OR_RETURN(const ListenSocket socket, Listen("127.0.0.1:0"));
  ::close(socket.fd);
  absl::StatusOr<double> other = 0.0;
  std::jthread second([&] { other = MeasureAs(1, socket.port); });
  const absl::StatusOr<double> own = MeasureAs(0, socket.port);
  second.join();
  RLHF_RETURN_IF_ERROR(other.status());
  return own;
}

}  // namespace rlhf
