// Takes finished samples to their reward and to the learner, beside the thread
// that generates.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "actor/actor_metrics.h"
#include "core/base/bounded_queue.h"
#include "core/rpc/reward_client.h"
#include "core/rpc/rpc_identity.h"
#include "core/telemetry/span_file.h"
#include "rlhf/v1/rollout.grpc.pb.h"

namespace rlhf {

// A sample without its reward yet.
struct PendingRollout {
  v1::Rollout rollout;
  // The PM version that must score it.
  int64_t pm_version = 0;
  // After this the lease is over and the work is given up.
  absl::Time lease_end;
  // The lease's, if the rollout is traced.
  std::optional<TraceContext> trace = {};
};

// Thread-safe. The destructor delivers what is queued; if shutdown was
// requested it drops that, whose leases end, and cuts off what is under way.
class RolloutSubmitter {
 public:
  // `metrics` is not owned and must outlive this, and so for `spans`, of
  // rollouts that are traced, which may be null. `capacity` bounds the queue.
  // Calls as `self`.
  RolloutSubmitter(const std::string& learner_address,
                   const std::string& reward_address, size_t capacity,
                   ActorMetrics* metrics, const RpcIdentity& self = {},
                   SpanFile* spans = nullptr);
  ~RolloutSubmitter();

  // Queues what will be scored in one request. Returns how many had no room:
  // the last ones, whose leases will expire.
  size_t Add(std::vector<PendingRollout> pending) {
    return queue_.TryPushAll(std::move(pending));
  }

 private:
  void Run();
  void Deliver(std::vector<PendingRollout> batch);
  absl::Status Score(std::vector<PendingRollout>& batch);
  absl::Status Submit(const std::vector<PendingRollout>& batch);

  ActorMetrics* const metrics_;
  SpanFile* const spans_;
  RewardClient rewards_;
  const std::unique_ptr<v1::Rollouts::Stub> learner_;
  BoundedQueue<PendingRollout> queue_;
  std::jthread thread_;
};

}  // namespace rlhf
