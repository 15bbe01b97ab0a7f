// What the learner's ranks say to one another. Every call is collective: all
// ranks make the same calls in the same order.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace rlhf {

// A transfer under way. Its tensor is in use until Wait returns, and Wait must
// be called, once.
class Transfer {
 public:
  virtual ~Transfer() = default;
  // Errors: as the communicator's other calls.
  virtual absl::Status Wait() = 0;
};

// What one rank handed to the network, in bytes of tensors, without framing:
// (N - 1) / N of the tensor for a gather or a reduce-scatter, twice that for an
// all-reduce.
struct SentBytes {
  uint64_t all_gather = 0;
  uint64_t reduce_scatter = 0;
  uint64_t all_reduce = 0;

  uint64_t total() const { return all_gather + reduce_scatter + all_reduce; }
};

// Tensors on the CPU may be given always, those on a GPU where the communicator
// was made for it.
//
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

  // The same for one contiguous tensor, while the caller goes on. `what` names
  // it in errors: "gradients 3 of policy".
  virtual std::unique_ptr<Transfer> StartAllReduceSum(
      const at::Tensor& flat, const std::string& what) = 0;

  // `flat` is contiguous, of one dimension, and consists of one equal share per
  // rank. Fills in the others' shares; this rank's is in place.
  virtual std::unique_ptr<Transfer> StartAllGather(const at::Tensor& flat,
                                                   const std::string& what) = 0;

  // Replaces this rank's share of `flat` by the sum of it over all ranks; the
  // other shares are undefined afterwards.
  virtual std::unique_ptr<Transfer> StartReduceScatterSum(
      const at::Tensor& flat, const std::string& what) = 0;

  // Of the three calls above, since the beginning.
  const SentBytes& sent_bytes() const { return sent_bytes_; }

  // Replaces each number by its sum over all ranks, in float64.
  absl::Status SumNumbers(const std::vector<double*>& numbers);

  // Replaces `bytes` by rank 0's, whatever their length.
  absl::Status BroadcastBytes(std::string& bytes);

  // Says what the calls from now on are about, "gradients of update 12, policy
  // version 11": their errors begin with it. Thread-safe, as is the getter.
  void Describe(std::string what);
  std::string description() const;

 protected:
  // Dies if `flat` cannot be cut into shares; returns this rank's.
  at::Tensor OwnShare(const at::Tensor& flat) const;

  SentBytes sent_bytes_;

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
  std::unique_ptr<Transfer> StartAllReduceSum(const at::Tensor& flat,
                                              const std::string&) override;
  std::unique_ptr<Transfer> StartAllGather(const at::Tensor& flat,
                                           const std::string&) override;
  std::unique_ptr<Transfer> StartReduceScatterSum(const at::Tensor& flat,
                                                  const std::string&) override;
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
  // Whether all ranks are on this machine: then loopback will do.
  bool on_one_machine = true;
  // This rank's GPU, for whose tensors there is NCCL beside the Gloo of those
  // on the CPU; or the CPU.
  at::Device device = at::kCPU;
};

// Joins the ranks over c10d. Blocks until all are there. From then on this
// process ignores SIGPIPE, unless it handles it.
//
// Errors: Unavailable if the others do not come within the timeout;
// FailedPrecondition if other machines could not reach this one;
// Unimplemented for a GPU in a build without CUDA.
absl::StatusOr<std::unique_ptr<Communicator>> MakeC10dCommunicator(
    const C10dOptions& options);

}  // namespace rlhf
