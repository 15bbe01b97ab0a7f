// All-reduce of many small tensors as a few large ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/status.h"
#include "core/comm/communicator.h"

namespace rlhf {

// As communicator.AllReduceSum(tensors), for float32 tensors on one device, in
// transfers of about `bucket_elements` elements: a transfer per tensor would
// spend its time on latency. Takes one bucket of extra memory at a time.
absl::Status BucketedAllReduceSum(Communicator& communicator,
                                  const std::vector<at::Tensor>& tensors,
                                  int64_t bucket_elements = 16 << 20);

}  // namespace rlhf
