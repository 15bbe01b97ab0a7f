// What only rank 0 of the learner has: the services that actors and people ask,
// and the run directory.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/reward_client.h"
#include "core/rpc/rpc_identity.h"
#include "core/telemetry/event_file.h"
#include "prometheus/registry.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/batch_source.h"
#include "trainer/checkpoint/async_saver.h"
#include "trainer/control_service.h"
#include "trainer/experience/prompt_schedule.h"
#include "trainer/learner_metrics.h"
#include "trainer/learner_state.h"
#include "trainer/order_desk.h"
#include "trainer/rollout_traces.h"
#include "trainer/rollouts_service.h"
#include "trainer/weights_service.h"

namespace rlhf {

// Used by the learner's main thread; the services answer on gRPC's threads.
class LearnerHead {
 public:
  // `identity` and `registry`, which is not owned, must outlive the head.
  // `keep_alive` is called every now and then while a batch is waited for
  // (BatchSource::Options). To other processes it is `self`.
  LearnerHead(const RunIdentity& identity, RpcIdentity self,
              std::vector<v1::Prompt> prompts, int64_t vocab_size,
              prometheus::Registry* registry,
              std::function<absl::Status()> keep_alive);

  // Starts gRPC. Errors: AlreadyExists for a port in use; as OrderDesk::Open.
  absl::Status Serve();

  // Offers the weights of the policy as `version` to the actors, as what they
  // compute in. Errors: as PackWeights.
  absl::Status Publish(const NamedTensors& policy, int64_t version);

  // From here on updates are shown in an event file of their own, in which
  // those after `done` take the place of what an earlier session showed.
  // Errors: as EventFile.
  absl::Status StartEvents(int64_t done);

  // Waits for the batch of `update`; nullopt if shutdown is requested first.
  absl::StatusOr<std::optional<Batch>> Collect(int64_t update);

  // The PM that serves. Errors: of the call to the reward server.
  absl::StatusOr<v1::ModelVersion> ServingPm();

  // Tells everybody what the run does, or why it is paused.
  void ShowPhase(const std::string& phase) { control_.SetPhase(phase); }

  // What people ordered. Used after Serve.
  OrderDesk& orders() { return *orders_; }

  // Has the process end if that was ordered. Not to be called within an update,
  // which would then be given up on this rank alone.
  void StopIfOrdered();

  // Shows an update to everybody: metrics, status, log, metrics.jsonl,
  // TensorBoard.
  absl::Status Record(const v1::UpdateReport& report);

  // Puts the policy into the registry, unless `version` is there.
  absl::Status Snapshot(const ModelConfig& config, const NamedTensors& policy,
                        int64_t version);

  // Copies the learner, whose state as of `cut` is `state`, and
  // begins to write it as a checkpoint.
  // Waits for the one before, whose error it returns.
  absl::Status Checkpoint(const LearnerState& state, LearnerCut cut);

  // Waits for the checkpoint that is being written and returns its error.
  absl::Status FinishCheckpoint() { return saver_.Wait(); }

  // What the last finished checkpoint took to write.
  double checkpoint_seconds() const { return saver_.last_seconds(); }

  // Tells everybody that the run is over.
  void Finish();

  // Ends the services.
  void Stop();

 private:
  // BatchSource::Options::ordered. Errors: DataLoss if a PM whose objectives
  // have other weights has no card that says so.
  absl::StatusOr<v1::BatchHeader> Ordered(int64_t update,
                                          const v1::ModelVersion& pm);
  // The prefix of the comparison log that a PM was trained on, if its card
  // tells.
  v1::DataSnapshot ComparisonsOf(const v1::ModelVersion& pm) const;

  const RunIdentity& identity_;
  const RpcIdentity self_;
  const v1::RunConfig& config_;
  const std::string run_directory_;
  prometheus::Registry* const registry_;
  LearnerMetrics metrics_;
  const std::unique_ptr<SpanFile> spans_;  // null: nothing is traced
  RolloutTraces traces_;
  const PromptSchedule schedule_;
  RolloutsService rollouts_;
  WeightsService weights_;
  const RealClock clock_;
  std::unique_ptr<OrderDesk> orders_;
  ControlService control_;
  RewardClient rewards_;
  BatchSource source_;
  AsyncSaver saver_;
  std::unique_ptr<GrpcServer> server_;
  std::optional<EventFile> events_;
};

}  // namespace rlhf
