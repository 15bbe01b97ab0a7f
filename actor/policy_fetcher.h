// Keeps the actor's policy current: fetches each new version in the background,
// verifies it, and hands it over whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "actor/actor_metrics.h"
#include "actor/weight_stream.h"
#include "core/base/mutex.h"
#include "core/nn/transformer.h"
#include "core/rpc/rpc_identity.h"
#include "rlhf/v1/weights.grpc.pb.h"

namespace rlhf {

struct PolicyVersion {
  int64_t version = 0;
  // As it was published, not packed. Its sampler takes it apart.
  std::shared_ptr<Transformer> model;
};

// Maps one version where the learner is on this machine, else receives it over
// `stream`; proves checksums and shapes.
//
// Errors: as WeightVersion::Create, WeightStream::Receive and MoveTo;
// InvalidArgument if the weights are not those of `config`.
absl::StatusOr<PolicyVersion> FetchPolicy(WeightStream& stream,
                                          const v1::WeightManifest& manifest,
                                          const ModelConfig& config,
                                          absl::Duration timeout,
                                          const std::stop_token& stop = {},
                                          at::Device device = at::kCPU);

// Thread-safe. Its thread stops when it is destroyed, after a version that is
// being mapped; one that is being received is given up.
class PolicyFetcher {
 public:
  // `address` is the learner's; weights must fit `config`, and come to
  // `device`. `metrics` is not owned and must outlive this. Calls as `self`.
  PolicyFetcher(const std::string& address, ModelConfig config,
                ActorMetrics* metrics, at::Device device = at::kCPU,
                const RpcIdentity& self = {},
                const WeightStream::Relay& relay = {});
  ~PolicyFetcher();

  // The newest version that was fetched and not taken yet.
  std::optional<PolicyVersion> Take();

  // The last error, OK after a success.
  absl::Status last_status() const;

 private:
  void Run(const std::stop_token& stop);
  absl::Status FetchNext(const std::stop_token& stop);

  const ModelConfig config_;
  const at::Device device_;
  const std::unique_ptr<v1::Weights::Stub> stub_;
  ActorMetrics* const metrics_;
  WeightStream stream_;  // of the thread alone
  mutable Mutex mutex_;
  std::optional<PolicyVersion> fetched_ ABSL_GUARDED_BY(mutex_);
  absl::Status last_status_ ABSL_GUARDED_BY(mutex_);
  int64_t newest_ = -1;  // of the thread alone
  std::jthread thread_;
};

}  // namespace rlhf
