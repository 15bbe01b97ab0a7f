#include "trainer/learner.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comm/communicator.h"
#include "core/config/run_config.h"
#include "core/nn/device.h"
#include "core/telemetry/metrics_server.h"
#include "core/text/prompt_set.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/learner_head.h"
#include "trainer/learner_loop.h"
#include "trainer/learner_models.h"
#include "trainer/learner_state.h"
#include "trainer/ppo_trainer.h"
#include "trainer/preemption.h"
#include "trainer/prompt_lengths.h"
#include "trainer/rank_group.h"
#include "trainer/rank_zero.h"

namespace rlhf {
namespace {

// Ranks read checkpoints each for itself; on a shared disk all see the same,
// if not at once: the group may be started again.
absl::Status CheckSameStart(Communicator& communicator, int64_t done) {
  communicator.Describe("comparison of where to go on");
  std::string of_rank_zero = absl::StrCat(done);
  RLHF_RETURN_IF_ERROR(communicator.BroadcastBytes(of_rank_zero));
  if (of_rank_zero == absl::StrCat(done)) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("rank ", communicator.rank(), " resumes after update ", done,
                   ", rank 0 after ", of_rank_zero,
                   "; all ranks must see one and the same run directory"));
}

// What the ranks leave behind: the final policy, or a checkpoint to go on from.
absl::Status EndRun(const v1::RunConfig& config, LearnerLoop& loop,
                    LearnerHead* head) {
  const int64_t done = loop.cut().update;
  const bool finished = done >= config.ppo().num_updates();
  absl::Status status;
  if (finished) {
    status = loop.SaveSnapshot();
  } else if (loop.is_cut() && done > 0) {
    status = loop.SaveLastCheckpoint();
  }
  if (head == nullptr) return status;
  if (finished) head->Finish();
  status.Update(head->FinishCheckpoint());
  head->Stop();
  return status;
}

// The newest checkpoint, proven to be of this run, and the journals after it to
// be complete.
absl::StatusOr<std::optional<Checkpoint>> FindStart(
    const RunIdentity& identity) {
  const std::string run_directory = RunDirectory(identity.config);
  RLHF_ASSIGN_OR_RETURN(
      std::optional<Checkpoint> newest,
      CheckpointStore(run_directory + "/checkpoints", 1).Newest());
  if (newest.has_value()) {
    RLHF_RETURN_IF_ERROR(CheckResumable(newest->directory, identity));
  }
  RLHF_RETURN_IF_ERROR(
      CheckHistory(run_directory, newest.has_value() ? newest->step : 0));
  return newest;
}

std::string MetricsAddress(const v1::LearnerConfig& learner,
                           const LaunchInfo& launch) {
  return absl::StrCat("127.0.0.1:",
                      launch.rank == 0
                          ? learner.metrics_port()
                          : learner.rank_metrics_port() + launch.rank);
}

// Everything from the moment that all ranks are there; returns the last update
// that was made.
absl::StatusOr<int64_t> Train(const v1::RunConfig& config,
                              const std::optional<Checkpoint>& start,
                              PpoTrainer::Models models, at::Device device,
                              const LearnerRank& rank) {
  Communicator& communicator = rank.communicator;
  RLHF_ASSIGN_OR_RETURN(PpoTrainer::Options options,
                        LoadTrainerOptions(config, device));
  PreemptionView preemption = {
      .grace = absl::Seconds(config.learner().preemption_grace_seconds())};
  options.give_up = [&preemption] {
    preemption.now = MonotonicNow();
    preemption.asked = ShutdownTime();
    return ShouldGiveUp(preemption);
  };
  PpoTrainer trainer(std::move(models), options, &communicator);
  LearnerCut cut = {.kl_coefficient = trainer.kl_coefficient(),
                    .world_size = communicator.world_size()};
  if (start.has_value()) {
    RLHF_ASSIGN_OR_RETURN(cut, LoadLearner(start->directory, trainer));
    RLHF_LOG(INFO) << "resuming after update " << cut.update << " from "
                   << start->directory << ", written by " << cut.world_size
                   << " rank(s)";
  } else if (config.learner().on_divergence() == v1::LearnerConfig::ROLL_BACK) {
    // So that there is something to go back to.
    RLHF_ASSIGN_OR_RETURN(const LearnerState state, GatherLearner(trainer));
    if (rank.head != nullptr) {
      RLHF_RETURN_IF_ERROR(rank.head->Checkpoint(state, cut));
    }
  }
  RLHF_RETURN_IF_ERROR(CheckSameStart(communicator, cut.update));
  LearnerLoop loop(config, rank, trainer, preemption);
  RLHF_RETURN_IF_ERROR(loop.Run(cut));
  RLHF_RETURN_IF_ERROR(EndRun(config, loop, rank.head));
  return loop.cut().update;
}

absl::Status CheckFinished(const v1::RunConfig& config, int64_t done) {
  if (done >= config.ppo().num_updates()) return absl::OkStatus();
  return absl::CancelledError(absl::StrCat(
      "asked to stop after update ", done, " of ", config.ppo().num_updates(),
      "; started again, it goes on from its newest checkpoint"));
}

}  // namespace

absl::Status RunLearner(const v1::RunConfig& config, const LaunchInfo& launch) {
  RLHF_LOG(INFO) << launch.OneLine();
  RLHF_ASSIGN_OR_RETURN(const at::Device device,
                        FindDevice("learner.device", config.learner().device(),
                                   {.rank = launch.local_rank,
                                    .count = launch.local_world_size}));
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
  RLHF_ASSIGN_OR_RETURN(PpoTrainer::Models models,
                        LoadLearnerModels(config, device));
  const RunIdentity identity =
      IdentifyRun(config, models.policy.parameters(), split.training);
  RLHF_ASSIGN_OR_RETURN(const std::optional<Checkpoint> start,
                        FindStart(identity));
  prometheus::Registry registry;
  RankMetrics metrics(registry, launch.rank);
  metrics.checkpoints_damaged.Set(start.has_value() ? start->num_damaged : 0);
  if (start.has_value() && start->step > 0) metrics.Resume();
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<MetricsServer> metrics_server,
      MetricsServer::Start(MetricsAddress(config.learner(), launch),
                           &registry));
  std::unique_ptr<RankGroup> group;
  std::unique_ptr<LearnerHead> head;
  if (launch.rank == 0) {
    RLHF_ASSIGN_OR_RETURN(RpcIdentity self,
                          RpcIdentity::Load(config, "learner"));
    head = std::make_unique<LearnerHead>(
        identity, std::move(self), std::move(split.training),
        models.policy.config().vocab_size, &registry,
        [&group] { return KeepOthersWaiting(group->communicator()); });
    RLHF_RETURN_IF_ERROR(head->Serve());
  }
  RankGroup::Options options =
      RankGroup::OptionsOf(config.learner(), "learner",
                           "the group can go on from its newest checkpoint");
  options.device = device;
  RLHF_ASSIGN_OR_RETURN(group, RankGroup::Join(options, launch));
  const absl::StatusOr<int64_t> done =
      Train(config, start, std::move(models), device,
            {.communicator = group->communicator(),
             .head = head.get(),
             .metrics = metrics});
  RLHF_RETURN_IF_ERROR(group->Leave(done.status()));
  return CheckFinished(config, *done);
}

}  // namespace rlhf
