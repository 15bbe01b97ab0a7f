// Samples rollouts: leases prompts from the learner, has the policy runner
// answer them, and hands the result on to its reward and the learner.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "actor/actor_metrics.h"
#include "actor/policy_runner.h"
#include "actor/prompt_codec.h"
#include "actor/rollout_submitter.h"
#include "core/rpc/rpc_identity.h"
#include "rlhf/v1/rollout.grpc.pb.h"

namespace rlhf {

// Not thread-safe: of the thread that steps the runner.
class LeaseSampler {
 public:
  // Pointers are not owned and must outlive this, and the runner's sequences;
  // `spans`, of rollouts that are traced, may be null. Calls as `self`.
  LeaseSampler(const std::string& learner_address, const PromptCodec* codec,
               PolicyRunner* runner, RolloutSubmitter* submitter,
               ActorMetrics* metrics, const RpcIdentity& self = {},
               SpanFile* spans = nullptr);
  // Cancels a call that is under way.
  ~LeaseSampler();

  // Leases as many prompts as the runner has room for, unless the learner said
  // to wait. A learner that does not answer holds nothing up: its answer is
  // taken by a later call of this. Waits a moment for it if the runner is idle.
  void TakeLeases();

  // Hands on what the runner's last step finished, together.
  void HandIn();

 private:
  struct Call;

  // A leased prompt while it is sampled.
  struct Work {
    v1::PromptLease lease;
    absl::Time started;
    absl::Time lease_end;
    std::vector<int32_t> prompt_ids;
  };

  void Ask();
  void Accept(const Call& call);
  absl::Status Start(const v1::PromptLease& lease, absl::Time granted);
  void Finish(const Work& work, absl::StatusOr<EngineResult> result);
  // Tells of what was generated, under the lease `parent`.
  void Trace(const Work& work, const v1::Rollout& rollout,
             const TraceContext& parent) const;
  v1::Rollout MakeRollout(const Work& work, const EngineResult& result) const;

  const std::string learner_address_;
  const std::unique_ptr<v1::Rollouts::Stub> learner_;
  const PromptCodec* const codec_;
  PolicyRunner* const runner_;
  RolloutSubmitter* const submitter_;
  ActorMetrics* const metrics_;
  SpanFile* const spans_;
  const std::string actor_id_;
  std::shared_ptr<Call> call_;  // that is under way, or null
  absl::Time next_lease_ = absl::InfinitePast();
  absl::StatusCode last_code_ = absl::StatusCode::kOk;
  std::vector<PendingRollout> finished_;
};

}  // namespace rlhf
