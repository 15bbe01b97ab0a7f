#include "trainer/learner_head.h"

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comm/weight_snapshot.h"
#include "core/config/listen_address.h"
#include "core/config/run_config.h"
#include "core/nn/dtype.h"
#include "core/nn/model_directory.h"
#include "core/nn/torch_call.h"
#include "core/registry/model_registry.h"
#include "core/registry/pm_members.h"
#include "core/text/prompt_id.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/pm_mixture.h"
#include "trainer/run_log.h"
#include "trainer/training_events.h"

namespace rlhf {

LearnerHead::LearnerHead(const RunIdentity& identity, RpcIdentity self,
                         std::vector<v1::Prompt> prompts, int64_t vocab_size,
                         prometheus::Registry* registry,
                         std::function<absl::Status()> keep_alive)
    : identity_(identity),
      self_(std::move(self)),
      config_(identity.config),
      run_directory_(RunDirectory(config_)),
      registry_(registry),
      metrics_(*registry),
      spans_(OpenSpans(config_, "learner")),
      traces_(config_, spans_.get()),
      schedule_(std::move(prompts), config_.seed(),
                config_.ppo().samples_per_prompt()),
      rollouts_({.rollouts_per_update = config_.ppo().rollouts_per_update(),
                 .lease = absl::Seconds(config_.learner().lease_seconds()),
                 .max_new_tokens = config_.sampling().max_new_tokens(),
                 .temperature = config_.sampling().temperature(),
                 .seed = config_.seed(),
                 .max_staleness = config_.ppo().max_staleness(),
                 .vocab_size = vocab_size},
                &schedule_, &metrics_, &traces_),
      rewards_(config_.reward_server().address(), self_),
      source_({.run_directory = run_directory_,
               .rewards = &rewards_,
               .rollouts = &rollouts_,
               .control = &control_,
               .keep_alive =
                   [this, keep_alive = std::move(keep_alive)] {
                     StopIfOrdered();
                     return keep_alive();
                   },
               .num_ahead = config_.ppo().max_staleness(),
               .takes_canary =
                   [this](int64_t update) {
                     return HashFraction(
                                absl::StrCat(update),
                                absl::StrCat("canary ", config_.seed())) <
                            config_.preference().gate().canary_share();
                   },
               .ordered =
                   [this](int64_t update, const v1::ModelVersion& pm) {
                     return Ordered(update, pm);
                   },
               .num_updates = config_.ppo().num_updates()}),
      saver_(
          CheckpointStore(run_directory_ + "/checkpoints",
                          config_.learner().checkpoints_kept(),
                          config_.learner().best_checkpoints_kept()),
          [this](const absl::Status& status) {
            (status.ok() ? metrics_.checkpoints : metrics_.checkpoint_failures)
                .Increment();
            if (status.ok()) {
              metrics_.last_checkpoint_timestamp.SetToCurrentTime();
            } else {
              RLHF_LOG(ERROR) << "checkpoint failed: " << status;
            }
          }) {}

absl::Status LearnerHead::Serve() {
  RLHF_ASSIGN_OR_RETURN(orders_, OrderDesk::Open(config_, &clock_));
  control_.TakeOrdersFor(orders_.get());
  const std::string address =
      ListenAddress(config_, config_.learner().address());
  RLHF_RETURN_IF_ERROR(weights_.Listen(
      address.substr(0, address.rfind(':')),
      {.port = config_.learner().weights_port(),
       .on_sent = [this](uint64_t bytes) {
         metrics_.weights_sent_bytes.Increment(static_cast<double>(bytes));
       }}));
  RLHF_ASSIGN_OR_RETURN(
      server_, GrpcServer::Start(address, {&rollouts_, &weights_, &control_},
                                 registry_, self_, spans_.get()));
  server_->SetServing(true);
  return absl::OkStatus();
}

absl::Status LearnerHead::Publish(const NamedTensors& policy, int64_t version) {
  // From a GPU it comes tensor by tensor, rounded there.
  RLHF_ASSIGN_OR_RETURN(
      auto snapshot, TorchCall("copy the policy for actors", [&] {
        return PackWeights(version, policy,
                           {.dtype = ScalarTypeOf(config_.actor().dtype())});
      }));
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

absl::Status LearnerHead::StartEvents(int64_t done) {
  RLHF_ASSIGN_OR_RETURN(
      events_, EventFile::Create(run_directory_ + "/tensorboard", done + 1,
                                 absl::Now()));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Batch>> LearnerHead::Collect(int64_t update) {
  RLHF_ASSIGN_OR_RETURN(std::optional<Batch> batch, source_.Collect(update));
  if (batch.has_value()) {
    traces_.Begin(*batch);
    metrics_.pm_version.Set(static_cast<double>(batch->header.pm().version()));
    metrics_.CountTrained(batch->header, batch->rollouts);
  }
  return batch;
}

void LearnerHead::StopIfOrdered() {
  if (orders_->WantsStop()) RequestShutdown();
}

absl::StatusOr<v1::BatchHeader> LearnerHead::Ordered(
    int64_t update, const v1::ModelVersion& pm) {
  v1::BatchHeader header;
  const v1::LiveSettings settings = orders_->ForBatch(update);
  if (settings.last_order() == 0) return header;
  *header.mutable_settings() = settings;
  if (settings.objectives().empty()) return header;
  const auto card =
      ModelRegistry(run_directory_ + "/registry/pm").Card(pm.version());
  const auto members =
      card.ok() ? PmMembersOf(*card) : absl::StatusOr<PmMembers>(card.status());
  // Not the reward server's NotFound, after which another PM is asked.
  if (!members.ok()) {
    return absl::DataLossError(absl::StrCat(
        "PM version ", pm.version(),
        ", whose weights an order has changed: ", members.status().message()));
  }
  const v1::PmMixture mixture = MixtureOf(*members, settings);
  if (!mixture.members().empty()) *header.mutable_mixture() = mixture;
  return header;
}

absl::StatusOr<v1::ModelVersion> LearnerHead::ServingPm() {
  RLHF_ASSIGN_OR_RETURN(const v1::RewardStatus status,
                        rewards_.GetStatus(absl::Seconds(2)));
  return status.serving();
}

absl::Status LearnerHead::Record(const v1::UpdateReport& report) {
  traces_.End(report);
  metrics_.ShowUpdate(report);
  metrics_.ShowDisk(run_directory_);
  control_.Change([&](v1::LearnerStatus& status) {
    *status.mutable_last_update() = report;
    // What people write is for those who may read the run's files.
    status.mutable_last_update()->clear_samples();
  });
  RLHF_LOG(INFO) << "update " << report.update() << "/"
                 << config_.ppo().num_updates() << " reward "
                 << report.reward_mean() << " anchored "
                 << report.reward_anchored_mean() << " kl "
                 << report.kl_k1_nats_per_sequence() << " nats/sequence, pm v"
                 << report.pm().version();
  // A view of metrics.jsonl, without which training goes on.
  const absl::Status shown =
      events_->Write(report.update(), absl::Now(), EventsOf(report));
  if (!shown.ok()) RLHF_LOG(WARNING) << "TensorBoard: " << shown;
  RLHF_RETURN_IF_ERROR(
      AppendLine(run_directory_ + "/metrics.jsonl", ProtoToJsonLine(report)));
  return orders_->Judge(report);
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

v1::DataSnapshot LearnerHead::ComparisonsOf(const v1::ModelVersion& pm) const {
  const ModelRegistry registry(run_directory_ + "/registry/pm");
  const auto card = registry.Card(pm.version());
  const auto report = card.ok() ? ReportOf(*card) : std::nullopt;
  return report.has_value() ? report->data() : v1::DataSnapshot();
}

absl::Status LearnerHead::Checkpoint(const LearnerState& state,
                                     LearnerCut cut) {
  control_.SetPhase("checkpoint");
  // Not two copies at a time.
  RLHF_RETURN_IF_ERROR(saver_.Wait());
  cut.comparisons = ComparisonsOf(cut.batch.pm());
  RLHF_ASSIGN_OR_RETURN(LearnerSnapshot copy, CopyLearner(state, cut));
  const auto snapshot =
      std::make_shared<const LearnerSnapshot>(std::move(copy));
  return saver_.Start(
      cut.update,
      [this, snapshot](const std::string& folder) {
        return WriteLearner(*snapshot, identity_, folder);
      },
      cut.reward);
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
