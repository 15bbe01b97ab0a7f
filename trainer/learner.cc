#include "trainer/learner.h"

#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comm/communicator.h"
#include "core/comm/weight_snapshot.h"
#include "core/config/run_config.h"
#include "core/nn/model_directory.h"
#include "core/registry/model_registry.h"
#include "core/rpc/grpc_server.h"
#include "core/telemetry/metrics_server.h"
#include "core/text/chat_format.h"
#include "core/text/prompt_set.h"
#include "core/text/tokenizer.h"
#include "trainer/batch_source.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/learner_state.h"
#include "trainer/ppo_trainer.h"
#include "trainer/weights_service.h"

namespace rlhf {
namespace {

std::vector<PpoSample> ToSamples(const Batch& batch) {
  std::vector<PpoSample> samples;
  for (const v1::Rollout& rollout : batch.rollouts) {
    samples.push_back(
        {.prompt_ids = {rollout.prompt_ids().begin(),
                        rollout.prompt_ids().end()},
         .response_ids = {rollout.response_ids().begin(),
                          rollout.response_ids().end()},
         .behaviour_logprobs = {rollout.behaviour_logprobs().begin(),
                                rollout.behaviour_logprobs().end()},
         .score = (rollout.reward() - batch.header.reward_mean()) /
                  batch.header.reward_scale(),
         .ended = rollout.finish_reason() == v1::FINISH_REASON_STOP});
  }
  return samples;
}

// The report's fields that are about the batch rather than the update.
void DescribeBatch(const Batch& batch, v1::UpdateReport& report) {
  const auto count = static_cast<double>(batch.rollouts.size());
  double sum = 0, square_sum = 0, tokens = 0, ended = 0;
  int64_t staleness = 0;
  for (const v1::Rollout& rollout : batch.rollouts) {
    sum += rollout.reward();
    square_sum += static_cast<double>(rollout.reward()) * rollout.reward();
    tokens += rollout.response_ids_size();
    ended += rollout.finish_reason() == v1::FINISH_REASON_STOP ? 1 : 0;
    staleness = std::max(staleness,
                         batch.header.update() - 1 - rollout.policy_version());
  }
  const double mean = sum / count;
  *report.mutable_pm() = batch.header.pm();
  report.set_policy_version(batch.header.update());
  report.set_num_rollouts(static_cast<int32_t>(batch.rollouts.size()));
  report.set_reward_mean(mean);
  report.set_reward_std(
      std::sqrt(std::max(0.0, square_sum / count - mean * mean)));
  report.set_reward_offset(batch.header.reward_mean());
  report.set_reward_scale(batch.header.reward_scale());
  report.set_reward_anchored_mean((mean - batch.header.reward_mean()) /
                                  batch.header.reward_scale());
  report.set_response_tokens_mean(tokens / count);
  report.set_finished_share(ended / count);
  report.set_staleness_max(staleness);
  report.set_rollout_seconds(batch.seconds);
}

// What rank 0 sends to the others: a batch, "" at the end of the run, or this
// while it waits.
constexpr char kStillWaiting[] = "w";

// A batch as bytes for the other ranks.
std::string Encode(const Batch& batch) {
  v1::SubmitRolloutsRequest rollouts;
  for (const v1::Rollout& rollout : batch.rollouts) {
    *rollouts.add_rollouts() = rollout;
  }
  const std::string header = batch.header.SerializeAsString();
  return absl::StrCat(absl::StrFormat("%08d", header.size()), header,
                      rollouts.SerializeAsString());
}

Batch Decode(const std::string& bytes) {
  Batch batch;
  const size_t header_size = std::stoul(bytes.substr(0, 8));
  v1::SubmitRolloutsRequest rollouts;
  const bool parsed =
      batch.header.ParseFromString(bytes.substr(8, header_size)) &&
      rollouts.ParseFromString(bytes.substr(8 + header_size));
  RLHF_CHECK(parsed);
  batch.rollouts = {rollouts.rollouts().begin(), rollouts.rollouts().end()};
  return batch;
}

// The actors would refuse a prompt that is too long, one by one and for ever;
// better to say so before anything starts.
absl::Status CheckPromptLengths(const v1::RunConfig& config,
                                const std::vector<v1::Prompt>& prompts) {
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(config.initial_policy()));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format,
                        ChatFormat::Load(config.initial_policy()));
  const int64_t limit = config.sampling().max_prompt_tokens();
  for (const v1::Prompt& prompt : prompts) {
    RLHF_ASSIGN_OR_RETURN(const std::string text,
                          format.Render(prompt.messages(), true));
    const auto count = static_cast<int64_t>(tokenizer->Encode(text).size());
    if (count > limit) {
      return absl::InvalidArgumentError(absl::StrCat(
          config.prompts(), ": the prompt \"",
          prompt.messages().rbegin()->content().substr(0, 60), "\" takes ",
          count,
          " tokens with its chat template; sampling.max_prompt_tokens "
          "is ",
          limit));
    }
  }
  return absl::OkStatus();
}

// What only rank 0 has: the services and the run directory.
class Head {
 public:
  Head(const v1::RunConfig& config, std::vector<v1::Prompt> prompts,
       int64_t vocab_size, std::function<absl::Status()> keep_alive)
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
                   .max_staleness = 0,
                   .vocab_size = vocab_size},
                  &schedule_, &metrics_),
        rewards_(config.reward_server().address()),
        source_({.run_directory = run_directory_,
                 .rewards = &rewards_,
                 .rollouts = &rollouts_,
                 .control = &control_,
                 .keep_alive = std::move(keep_alive)}) {}

  absl::Status Serve() {
    RLHF_ASSIGN_OR_RETURN(
        metrics_server_,
        MetricsServer::Start(
            absl::StrCat("127.0.0.1:", config_.learner().metrics_port()),
            &registry_));
    RLHF_ASSIGN_OR_RETURN(
        server_, GrpcServer::Start(config_.learner().address(),
                                   {&rollouts_, &weights_, &control_}));
    server_->SetServing(true);
    return absl::OkStatus();
  }

  void Publish(const PpoTrainer& trainer, int64_t version) {
    weights_.Publish(PackWeights(version, trainer.policy().parameters()));
    metrics_.weights_published.Increment();
    metrics_.policy_version.Set(static_cast<double>(version));
    control_.Change([&](v1::LearnerStatus& status) {
      status.set_policy_version(version);
      status.set_update(version);
      status.set_num_updates(config_.ppo().num_updates());
      status.set_rollouts_wanted(config_.ppo().rollouts_per_update());
      status.set_rollouts_accepted(0);
    });
  }

  absl::StatusOr<std::optional<Batch>> Collect(int64_t update) {
    RLHF_ASSIGN_OR_RETURN(std::optional<Batch> batch, source_.Collect(update));
    if (batch.has_value()) {
      metrics_.pm_version.Set(
          static_cast<double>(batch->header.pm().version()));
      control_.SetPhase("update");
    }
    return batch;
  }

  absl::Status Record(const v1::UpdateReport& report) {
    metrics_.ShowUpdate(report);
    control_.Change([&](v1::LearnerStatus& status) {
      *status.mutable_last_update() = report;
    });
    RLHF_LOG(INFO) << "update " << report.update() << "/"
                   << config_.ppo().num_updates() << " reward "
                   << report.reward_mean() << " anchored "
                   << report.reward_anchored_mean() << " kl "
                   << report.kl_k1_nats_per_sequence() << " nats/response, pm v"
                   << report.pm().version();
    return AppendLine(run_directory_ + "/metrics.jsonl",
                      ProtoToJsonLine(report));
  }

  absl::Status Snapshot(const PpoTrainer& trainer, int64_t version) {
    const ModelRegistry registry(run_directory_ + "/registry/policy");
    if (registry.Get(version).ok()) return absl::OkStatus();
    const Json card = {{"kind", "policy"}, {"parents", {version - 1}}};
    return registry
        .Publish(version, card,
                 [&](const std::string& folder) {
                   return SaveModel(trainer.policy(), config_.initial_policy(),
                                    folder);
                 })
        .status();
  }

  absl::Status Checkpoint(const PpoTrainer& trainer, int64_t update) {
    control_.SetPhase("checkpoint");
    CheckpointStore store(run_directory_ + "/checkpoints",
                          config_.learner().checkpoints_kept());
    const absl::Status status =
        store.Save(update, [&](const std::string& folder) {
          return SaveLearner(trainer, update, folder);
        });
    (status.ok() ? metrics_.checkpoints : metrics_.checkpoint_failures)
        .Increment();
    return status;
  }

  void Finish() {
    rollouts_.Finish();
    control_.Change([](v1::LearnerStatus& status) {
      status.set_phase("done");
      status.set_finished(true);
    });
  }

  void Stop() {
    weights_.Stop();
    if (server_ != nullptr) server_->Shutdown(absl::Seconds(2));
  }

 private:
  const v1::RunConfig& config_;
  const std::string run_directory_;
  prometheus::Registry registry_;
  LearnerMetrics metrics_;
  const PromptSchedule schedule_;
  RolloutsService rollouts_;
  WeightsService weights_;
  ControlService control_;
  RewardClient rewards_;
  BatchSource source_;
  std::unique_ptr<MetricsServer> metrics_server_;
  std::unique_ptr<GrpcServer> server_;
};

absl::StatusOr<std::unique_ptr<Communicator>> Join(const v1::RunConfig& config,
                                                   const LaunchInfo& launch) {
  if (launch.world_size == 1) return std::make_unique<SingleCommunicator>();
  return MakeC10dCommunicator(
      {.rank = launch.rank,
       .world_size = launch.world_size,
       .master_address = launch.master_address,
       .master_port = launch.master_port,
       .agent_store = launch.agent_store,
       .store_prefix = absl::StrCat("rlhf/", launch.restart_count),
       .timeout =
           absl::Seconds(config.learner().collective_timeout_seconds())});
}

// The updates, one after the other.
class Loop {
 public:
  Loop(const v1::RunConfig& config, Communicator& communicator,
       PpoTrainer& trainer, Head* head)
      : config_(config),
        communicator_(communicator),
        trainer_(trainer),
        head_(head) {}

  // Returns the number of updates done, `done` of them before.
  absl::StatusOr<int64_t> Run(int64_t done) {
    if (head_ != nullptr) head_->Publish(trainer_, done);
    while (done < config_.ppo().num_updates()) {
      RLHF_ASSIGN_OR_RETURN(const std::optional<Batch> batch,
                            NextBatch(done + 1));
      if (!batch.has_value()) break;
      RLHF_RETURN_IF_ERROR(Step(*batch));
      done = batch->header.update();
      const bool due = done % config_.learner().checkpoint_every() == 0 ||
                       done == config_.ppo().num_updates();
      if (due && head_ != nullptr) {
        RLHF_RETURN_IF_ERROR(head_->Checkpoint(trainer_, done));
      }
    }
    return done;
  }

 private:
  // Rank 0 collects; the others receive. nullopt: stop.
  absl::StatusOr<std::optional<Batch>> NextBatch(int64_t update) {
    std::string bytes;
    if (head_ != nullptr) {
      absl::StatusOr<std::optional<Batch>> batch = head_->Collect(update);
      // The others must hear of the end, whatever its reason.
      if (batch.ok() && batch->has_value()) bytes = Encode(**batch);
      RLHF_RETURN_IF_ERROR(communicator_.BroadcastBytes(bytes));
      return batch;
    }
    do {
      RLHF_RETURN_IF_ERROR(communicator_.BroadcastBytes(bytes));
    } while (bytes == kStillWaiting);
    if (bytes.empty()) return std::optional<Batch>();
    return std::optional(Decode(bytes));
  }

  absl::Status Step(const Batch& batch) {
    RLHF_ASSIGN_OR_RETURN(
        v1::UpdateReport report,
        trainer_.Update(ToSamples(batch), batch.header.update()));
    DescribeBatch(batch, report);
    if (head_ == nullptr) return absl::OkStatus();
    const Stopwatch stopwatch;
    head_->Publish(trainer_, batch.header.update());
    report.set_publish_seconds(stopwatch.seconds());
    const int64_t every = config_.learner().snapshot_every();
    if (every > 0 && batch.header.update() % every == 0) {
      RLHF_RETURN_IF_ERROR(head_->Snapshot(trainer_, batch.header.update()));
    }
    return head_->Record(report);
  }

  const v1::RunConfig& config_;
  Communicator& communicator_;
  PpoTrainer& trainer_;
  Head* const head_;  // null on ranks other than 0
};

}  // namespace

absl::Status RunLearner(const v1::RunConfig& config, const LaunchInfo& launch) {
  RLHF_LOG(INFO) << launch.OneLine();
  RLHF_ASSIGN_OR_RETURN(std::vector<v1::Prompt> prompts,
                        ReadPrompts(config.prompts()));
  RLHF_RETURN_IF_ERROR(CheckPromptLengths(config, prompts));
  PromptSplit split =
      SplitPrompts(std::move(prompts), config.held_out_prompt_share());
  if (split.training.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.prompts(),
                     ": every prompt is held out; lower "
                     "held_out_prompt_share or add prompts"));
  }
  RLHF_ASSIGN_OR_RETURN(Transformer initial,
                        LoadModel(config.initial_policy()));
  if (initial.config().head != ModelConfig::Head::kLanguageModel) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.initial_policy(), ": not a language model"));
  }
  std::unique_ptr<Communicator> communicator;
  std::unique_ptr<Head> head;
  if (launch.rank == 0) {
    head =
        std::make_unique<Head>(config, std::move(split.training),
                               initial.config().vocab_size, [&communicator] {
                                 std::string waiting = kStillWaiting;
                                 return communicator->BroadcastBytes(waiting);
                               });
    RLHF_RETURN_IF_ERROR(head->Serve());
  }
  RLHF_ASSIGN_OR_RETURN(communicator, Join(config, launch));
  Transformer policy = initial.Clone();
  PpoTrainer trainer(
      std::move(policy),
      std::make_shared<const Transformer>(std::move(initial)),
      {.ppo = config.ppo(),
       .temperature = config.sampling().temperature(),
       .micro_batch_tokens = config.learner().micro_batch_tokens(),
       .seed = config.seed()},
      communicator.get());
  const CheckpointStore store(RunDirectory(config) + "/checkpoints",
                              config.learner().checkpoints_kept());
  RLHF_ASSIGN_OR_RETURN(const std::optional<Checkpoint> newest, store.Newest());
  int64_t done = 0;
  if (newest.has_value()) {
    RLHF_ASSIGN_OR_RETURN(done, LoadLearner(newest->directory, trainer));
    RLHF_LOG(INFO) << "resuming after update " << done << " from "
                   << newest->directory;
  }
  Loop loop(config, *communicator, trainer, head.get());
  RLHF_ASSIGN_OR_RETURN(done, loop.Run(done));
  if (head == nullptr) return absl::OkStatus();
  absl::Status status;
  if (done == config.ppo().num_updates()) {
    status = head->Snapshot(trainer, done);
    head->Finish();
  } else if (done > 0) {
    status = head->Checkpoint(trainer, done);
  }
  head->Stop();
  return status;
}

}  // namespace rlhf
