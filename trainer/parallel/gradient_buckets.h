// Gradients that lie in a few large buffers, each of which is summed over the
// ranks as soon as it is complete, while the backward pass goes on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/comm/communicator.h"
#include "core/comm/named_tensor.h"

namespace rlhf {

// Not thread-safe; every rank makes the same calls, except that it need not
// call Ready.
class GradientBuckets {
 public:
  // For float32 leaves, in the order in which their gradients are expected;
  // these will be views into the buffers, of about `bucket_elements` each.
  // `communicator` is not owned.
  GradientBuckets(const NamedTensors& parameters, std::string name,
                  Communicator* communicator,
                  int64_t bucket_elements = 6 << 20);

  // Gives all gradients memory and sets them to zero.
  void Zero();
  void Free();

  // Nothing will be added to the gradient of parameter `index` until Finish:
  // its bucket may be sent.
  void Ready(size_t index);

  // Sends what was not sent and waits for all: every gradient is then the sum
  // over the ranks.
  absl::Status Finish();

  size_t num_buckets() const { return buckets_.size(); }
  // Buckets on their way before Finish was called, the last time.
  size_t num_early() const { return num_early_; }

 private:
  struct Bucket {
    int64_t elements = 0;
    at::Tensor flat;  // undefined while there are no gradients
    std::vector<size_t> parameters;
    size_t num_missing = 0;
    std::unique_ptr<Transfer> transfer;
  };

  void Send(size_t bucket);

  const NamedTensors parameters_;
  const std::string name_;
  Communicator* const communicator_;
  std::vector<Bucket> buckets_;
  std::vector<size_t> bucket_of_;  // by parameter
  // All ranks send in this order, whatever is complete first.
  size_t num_sent_ = 0;
  size_t num_early_ = 0;
};

}  // namespace rlhf
