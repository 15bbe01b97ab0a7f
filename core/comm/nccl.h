// NCCL behind the communicator. Of core/comm/c10d_communicator.cc alone.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "absl/time/time.h"
#include "core/comm/communicator.h"

namespace rlhf {

// Whether this build has CUDA and NCCL.
bool HasNccl();

// The ranks' GPUs. Connects with the first call. Throws like c10d; dies in a
// build without NCCL.
c10::intrusive_ptr<c10d::Backend> MakeNccl(
    const C10dOptions& options, const c10::intrusive_ptr<c10d::Store>& store);

// Blocks until `work` is done, on the GPU too: a wait that only orders the
// stream would leave a rank that never comes to whatever waits for the GPU
// next, without a deadline and without a name. Throws like c10d.
void WaitForGpu(c10d::Work& work, absl::Duration timeout);

// Ends the connections; at once, whatever is under way, if a call `failed`.
void CloseNccl(c10d::Backend& backend, bool failed);

}  // namespace rlhf
