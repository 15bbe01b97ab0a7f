#include "core/comm/nccl.h"

#ifdef RLHF_CUDA
#include <stdlib.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <algorithm>
#include <exception>
#include <thread>

#include "core/base/check.h"
#include "core/base/clock.h"

namespace rlhf {
namespace {

// c10d looks once a millisecond whether the GPU is done; most transfers take
// less, so for so long we look ourselves.
constexpr absl::Duration kSoon = absl::Milliseconds(5);

}  // namespace

#ifdef RLHF_CUDA

bool HasNccl() { return true; }

c10::intrusive_ptr<c10d::Backend> MakeNccl(
    const C10dOptions& options, const c10::intrusive_ptr<c10d::Store>& store) {
  // A thread of c10d's would end the process without a word after a timeout.
  // Ours is the word: WaitForGpu and the watch over the ranks.
  ::setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
  auto nccl = c10d::ProcessGroupNCCL::Options::create();
  nccl->timeout = absl::ToChronoMilliseconds(options.timeout);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, options.rank,
                                                     options.world_size, nccl);
}

#else

bool HasNccl() { return false; }

c10::intrusive_ptr<c10d::Backend> MakeNccl(
    const C10dOptions&, const c10::intrusive_ptr<c10d::Store>&) {
  RLHF_CHECK(false) << "built without CUDA";
  return {};
}

#endif

void WaitForGpu(c10d::Work& work, absl::Duration timeout) {
  const absl::Time soon = MonotonicNow() + std::min(kSoon, timeout);
  while (!work.isCompleted() && MonotonicNow() < soon) {
    std::this_thread::yield();
  }
  // Orders the stream, and throws what went wrong.
  work.wait(absl::ToChronoMilliseconds(timeout));
}

void CloseNccl(c10d::Backend& backend, bool failed) {
  try {
    failed ? backend.abort() : backend.shutdown();
  } catch (const std::exception&) {
    // Nobody is left to hear of it.
  }
}

}  // namespace rlhf
