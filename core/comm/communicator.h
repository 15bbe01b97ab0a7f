// What the learner's ranks say to one another. Every call is collective: all
// ranks make the same calls in the same order.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace rlhf {

// Not thread-safe. A call that waits longer than the timeout given at creation
// returns DeadlineExceeded and says which call on which rank waited, and what
// for; the communicator is unusable afterwards.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int world_size() const = 0;

  // Replaces each tensor, on every rank, by the sum over all ranks.
  virtual absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) = 0;

  // Replaces `tensor` by rank 0's; shapes must agree beforehand.
  virtual absl::Status Broadcast(const at::Tensor& tensor) = 0;

  // Replaces each number by its sum over all ranks, in float64.
  absl::Status SumNumbers(const std::vector<double*>& numbers);

  // Replaces `bytes` by rank 0's, whatever their length.
  absl::Status BroadcastBytes(std::string& bytes);

  // Says what the calls from now on are about, "gradients of update 12, policy
  // version 11": their errors begin with it. Thread-safe, as is the getter.
  void Describe(std::string what);
  std::string description() const;

 private:
  mutable Mutex mutex_;
  std::string description_ ABSL_GUARDED_BY(mutex_);
};

// One rank alone: every call is done at once.
class SingleCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int world_size() const override { return 1; }
  absl::Status AllReduceSum(const std::vector<at::Tensor>&) override {
    return absl::OkStatus();
  }
  absl::Status Broadcast(const at::Tensor&) override {
    return absl::OkStatus();
  }
};

struct C10dOptions {
  int rank = 0;
  int world_size = 1;
  // Where rank 0 (or torchrun's agent) holds the store.
  std::string master_address;
  int master_port = 0;
  // torchrun's agent holds the store already: rank 0 joins like the others.
  bool agent_store = false;
  // Distinguishes restarts that share one store.
  std::string store_prefix;
  absl::Duration timeout = absl::Seconds(60);
  // NCCL on this GPU, else Gloo on the CPU.
  at::Device device = at::kCPU;
};

// Joins the ranks over c10d. Blocks until all are there.
//
// Errors: Unavailable if the others do not come within the timeout;
// Unimplemented for a GPU in a build without CUDA.
absl::StatusOr<std::unique_ptr<Communicator>> MakeC10dCommunicator(
    const C10dOptions& options);

}  // namespace rlhf
