#include "trainer/learner_head.h"

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/proto_json.h"
#include "core/base/status_macros.h"
#include "core/comm/weight_snapshot.h"
#include "core/config/run_config.h"
#include "core/nn/dtype.h"
#include "core/nn/model_directory.h"
#include "core/registry/model_registry.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/learner_state.h"

namespace rlhf {

LearnerHead::LearnerHead(const v1::RunConfig& config,
                         std::vector<v1::Prompt> prompts, int64_t vocab_size,
                         std::function<absl::Status()> keep_alive)
    : config_(config),
      run_directory_(RunDirectory(config)),
      metrics_(registry_),
      schedule_(std::move(prompts), config.seed(),
                config.ppo().samples_per_prompt()),
      rollouts_({.rollouts_per_update = config.ppo().rollouts_per_update(),
                 .lease = absl::Seconds(config.learner().lease_seconds()),
                 .max_new_tokens = config.sampling().max_new_tokens(),
                 .temperature = config.sampling().temperature(),
                 .seed = config.seed(),
                 .max_staleness = config.ppo().max_staleness(),
                 .vocab_size = vocab_size},
                &schedule_, &metrics_),
      rewards_(config.reward_server().address()),
      source_({.run_directory = run_directory_,
               .rewards = &rewards_,
               .rollouts = &rollouts_,
               .control = &control_,
               .keep_alive = std::move(keep_alive),
               .num_ahead = config.ppo().max_staleness(),
               .num_updates = config.ppo().num_updates()}) {}

absl::Status LearnerHead::Serve() {
  RLHF_ASSIGN_OR_RETURN(
      metrics_server_,
      MetricsServer::Start(
          absl::StrCat("127.0.0.1:", config_.learner().metrics_port()),
          &registry_));
  RLHF_ASSIGN_OR_RETURN(server_,
                        GrpcServer::Start(config_.learner().address(),
                                          {&rollouts_, &weights_, &control_}));
  server_->SetServing(true);
  return absl::OkStatus();
}

absl::Status LearnerHead::Publish(const NamedTensors& policy, int64_t version) {
  RLHF_ASSIGN_OR_RETURN(
      auto snapshot,
      PackWeights(version, policy,
                  {.dtype = ScalarTypeOf(config_.actor().dtype())}));
  weights_.Publish(std::move(snapshot));
  metrics_.weights_published.Increment();
  metrics_.policy_version.Set(static_cast<double>(version));
  control_.Change([&](v1::LearnerStatus& status) {
    status.set_policy_version(version);
    status.set_update(version);
    status.set_num_updates(config_.ppo().num_updates());
    status.set_rollouts_wanted(config_.ppo().rollouts_per_update());
    status.set_rollouts_accepted(0);
  });
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Batch>> LearnerHead::Collect(int64_t update) {
  RLHF_ASSIGN_OR_RETURN(std::optional<Batch> batch, source_.Collect(update));
  if (batch.has_value()) {
    metrics_.pm_version.Set(static_cast<double>(batch->header.pm().version()));
    metrics_.CountTrained(batch->rollouts);
    control_.SetPhase("update");
  }
  return batch;
}

absl::Status LearnerHead::Record(const v1::UpdateReport& report,
                                 const SentBytes& sent) {
  metrics_.ShowUpdate(report);
  metrics_.ShowSent(sent);
  control_.Change([&](v1::LearnerStatus& status) {
    *status.mutable_last_update() = report;
  });
  RLHF_LOG(INFO) << "update " << report.update() << "/"
                 << config_.ppo().num_updates() << " reward "
                 << report.reward_mean() << " anchored "
                 << report.reward_anchored_mean() << " kl "
                 << report.kl_k1_nats_per_sequence() << " nats/response, pm v"
                 << report.pm().version();
  return AppendLine(run_directory_ + "/metrics.jsonl", ProtoToJsonLine(report));
}

absl::Status LearnerHead::Snapshot(const ModelConfig& config,
                                   const NamedTensors& policy,
                                   int64_t version) {
  const ModelRegistry registry(run_directory_ + "/registry/policy");
  if (registry.Get(version).ok()) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(const Transformer model,
                        Transformer::Create(config, policy));
  const Json card = {{"kind", "policy"}, {"parents", {version - 1}}};
  return registry
      .Publish(version, card,
               [&](const std::string& folder) {
                 return SaveModel(model, config_.initial_policy(), folder);
               })
      .status();
}

absl::Status LearnerHead::Checkpoint(const LearnerState& state,
                                     int64_t update) {
  control_.SetPhase("checkpoint");
  CheckpointStore store(run_directory_ + "/checkpoints",
                        config_.learner().checkpoints_kept());
  const absl::Status status =
      store.Save(update, [&](const std::string& folder) {
        return SaveLearner(state, update, folder);
      });
  (status.ok() ? metrics_.checkpoints : metrics_.checkpoint_failures)
      .Increment();
  return status;
}

void LearnerHead::Finish() {
  rollouts_.Finish();
  control_.Change([](v1::LearnerStatus& status) {
    status.set_phase("done");
    status.set_finished(true);
  });
}

void LearnerHead::Stop() {
  weights_.Stop();
  if (server_ != nullptr) server_->Shutdown(absl::Seconds(2));
}

}  // namespace rlhf
