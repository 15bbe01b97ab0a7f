#include "trainer/learner.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/comm/communicator.h"
#include "core/config/run_config.h"
#include "core/nn/dtype.h"
#include "core/text/prompt_set.h"
#include "trainer/batch.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/learner_head.h"
#include "trainer/learner_models.h"
#include "trainer/learner_state.h"
#include "trainer/ppo_trainer.h"
#include "trainer/prompt_lengths.h"

namespace rlhf {
namespace {

// What rank 0 sends to the others: a batch (which begins with a digit), "" at
// the end of the run, this while it waits, or what went wrong.
constexpr char kStillWaiting[] = "w";
constexpr char kFailed[] = "failed: ";

// Ranks read checkpoints each for itself; on a shared disk all see the same.
absl::Status CheckSameStart(Communicator& communicator, int64_t done) {
  std::string of_rank_zero = absl::StrCat(done);
  RLHF_RETURN_IF_ERROR(communicator.BroadcastBytes(of_rank_zero));
  if (of_rank_zero == absl::StrCat(done)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("rank ", communicator.rank(), " resumes after update ", done,
                   ", rank 0 after ", of_rank_zero,
                   "; all ranks must see one and the same run directory"));
}

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
       PpoTrainer& trainer, LearnerHead* head)
      : config_(config),
        communicator_(communicator),
        trainer_(trainer),
        head_(head) {}

  // Returns the number of updates done, `done` of them before.
  absl::StatusOr<int64_t> Run(int64_t done) {
    RLHF_RETURN_IF_ERROR(Publish(done));
    while (done < config_.ppo().num_updates()) {
      RLHF_ASSIGN_OR_RETURN(const std::optional<Batch> batch,
                            NextBatch(done + 1));
      if (!batch.has_value()) break;
      RLHF_RETURN_IF_ERROR(Step(*batch));
      done = batch->header.update();
      const bool due = done % config_.learner().checkpoint_every() == 0 ||
                       done == config_.ppo().num_updates();
      checkpoint_seconds_ = 0;
      if (due) {
        const Stopwatch stopwatch;
        RLHF_RETURN_IF_ERROR(Checkpoint(done));
        checkpoint_seconds_ = stopwatch.seconds();
      }
    }
    return done;
  }

  // The ranks bring together what rank 0 then puts where it belongs.
  absl::Status Snapshot(int64_t update) {
    RLHF_ASSIGN_OR_RETURN(const NamedTensors policy, trainer_.GatherPolicy());
    if (head_ == nullptr) return absl::OkStatus();
    return head_->Snapshot(trainer_.policy().config(), policy, update);
  }

  absl::Status Checkpoint(int64_t update) {
    RLHF_ASSIGN_OR_RETURN(const LearnerState state, GatherLearner(trainer_));
    return head_ == nullptr ? absl::OkStatus()
                            : head_->Checkpoint(state, update);
  }

 private:
  absl::Status Publish(int64_t version) {
    RLHF_ASSIGN_OR_RETURN(const NamedTensors policy, trainer_.GatherPolicy());
    if (head_ != nullptr) {
      RLHF_RETURN_IF_ERROR(head_->Publish(policy, version));
    }
    return absl::OkStatus();
  }

  // Rank 0 collects; the others receive. nullopt: stop.
  absl::StatusOr<std::optional<Batch>> NextBatch(int64_t update) {
    std::string bytes;
    if (head_ != nullptr) {
      absl::StatusOr<std::optional<Batch>> batch = head_->Collect(update);
      // The others must hear of the end, whatever its reason.
      if (!batch.ok()) {
        bytes = absl::StrCat(kFailed, batch.status().message());
        communicator_.BroadcastBytes(bytes).IgnoreError();
        return batch.status();
      }
      if (batch->has_value()) bytes = EncodeBatch(**batch);
      RLHF_RETURN_IF_ERROR(communicator_.BroadcastBytes(bytes));
      return batch;
    }
    do {
      RLHF_RETURN_IF_ERROR(communicator_.BroadcastBytes(bytes));
    } while (bytes == kStillWaiting);
    if (bytes.empty()) return std::optional<Batch>();
    if (absl::StartsWith(bytes, kFailed)) {
      return absl::AbortedError(absl::StrCat("rank 0 ", bytes));
    }
    return std::optional(DecodeBatch(bytes));
  }

  absl::Status Step(const Batch& batch) {
    RLHF_ASSIGN_OR_RETURN(v1::UpdateReport report, MakeUpdate(batch, trainer_));
    const Stopwatch stopwatch;
    RLHF_RETURN_IF_ERROR(Publish(batch.header.update()));
    report.set_publish_seconds(stopwatch.seconds());
    report.set_checkpoint_seconds(checkpoint_seconds_);
    const int64_t every = config_.learner().snapshot_every();
    if (every > 0 && batch.header.update() % every == 0) {
      RLHF_RETURN_IF_ERROR(Snapshot(batch.header.update()));
    }
    return head_ == nullptr ? absl::OkStatus()
                            : head_->Record(report, communicator_.sent_bytes());
  }

  const v1::RunConfig& config_;
  Communicator& communicator_;
  PpoTrainer& trainer_;
  LearnerHead* const head_;  // null on ranks other than 0
  double checkpoint_seconds_ = 0;
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
  RLHF_ASSIGN_OR_RETURN(PpoTrainer::Models models, LoadLearnerModels(config));
  RLHF_ASSIGN_OR_RETURN(const PpoTrainer::Options options,
                        LoadTrainerOptions(config));
  std::unique_ptr<Communicator> communicator;
  std::unique_ptr<LearnerHead> head;
  if (launch.rank == 0) {
    head = std::make_unique<LearnerHead>(
        config, std::move(split.training), models.policy.config().vocab_size,
        [&communicator] {
          std::string waiting = kStillWaiting;
          return communicator->BroadcastBytes(waiting);
        });
    RLHF_RETURN_IF_ERROR(head->Serve());
  }
  RLHF_ASSIGN_OR_RETURN(communicator, Join(config, launch));
  PpoTrainer trainer(std::move(models), options, communicator.get());
  const CheckpointStore store(RunDirectory(config) + "/checkpoints",
                              config.learner().checkpoints_kept());
  RLHF_ASSIGN_OR_RETURN(const std::optional<Checkpoint> newest, store.Newest());
  int64_t done = 0;
  if (newest.has_value()) {
    RLHF_ASSIGN_OR_RETURN(done, LoadLearner(newest->directory, trainer));
    RLHF_LOG(INFO) << "resuming after update " << done << " from "
                   << newest->directory;
  }
  RLHF_RETURN_IF_ERROR(CheckSameStart(*communicator, done));
  Loop loop(config, *communicator, trainer, head.get());
  RLHF_ASSIGN_OR_RETURN(done, loop.Run(done));
  const bool finished = done >= config.ppo().num_updates();
  const absl::Status status = finished   ? loop.Snapshot(done)
                              : done > 0 ? loop.Checkpoint(done)
                                         : absl::OkStatus();
  if (head == nullptr) return status;
  if (finished) head->Finish();
  head->Stop();
  return status;
}

}  // namespace rlhf
