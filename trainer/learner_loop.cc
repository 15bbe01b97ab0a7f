#include "trainer/learner_loop.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "trainer/pauses.h"
#include "trainer/rank_agreement.h"
#include "trainer/rank_zero.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

// What rank 0 tells the others of an update: a batch (which begins with a
// digit), this and the batch that is left out, the word for a checkpoint, or ""
// at the end of the run.
constexpr char kLeftOut[] = "left out: ";
constexpr char kCheckpoint[] = "checkpoint";

}  // namespace

LearnerLoop::LearnerLoop(const v1::RunConfig& config, const LearnerRank& rank,
                         PpoTrainer& trainer, PreemptionView& preemption)
    : config_(config),
      store_(RunDirectory(config) + "/checkpoints", 1),
      communicator_(rank.communicator),
      trainer_(trainer),
      head_(rank.head),
      preemption_(preemption),
      metrics_(rank.metrics),
      steering_(config.ppo()) {}

absl::Status LearnerLoop::Run(const LearnerCut& cut) {
  cut_ = cut;
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::UpdateReport> made,
                        ReadUpdates(RunDirectory(config_)));
  int64_t num_seen = 0;
  if (cut.update > 0) last_saved_ = cut.update;
  if (head_ != nullptr) {
    RLHF_RETURN_IF_ERROR(head_->orders().CheckComplete(cut.batch.settings()));
    head_->orders().Reached(cut.update, trainer_.kl_coefficient());
  }
  for (const v1::UpdateReport& report : made) {
    if (report.update() > cut.update) continue;
    steering_.Saw(report);
    // Of which a crash may have kept it.
    if (head_ != nullptr) RLHF_RETURN_IF_ERROR(head_->orders().Judge(report));
    ++num_seen;
  }
  if (IsSteered(config_.ppo()) && num_seen != cut.update) {
    return absl::DataLossError(absl::StrCat(
        RunDirectory(config_), "/metrics.jsonl tells of ", num_seen, " of the ",
        cut.update,
        " updates so far; what follows from a swap of the PM or from the "
        "sentinel cannot be known without them: restore the file"));
  }
  if (head_ != nullptr) RLHF_RETURN_IF_ERROR(head_->StartEvents(cut.update));
  RLHF_RETURN_IF_ERROR(Publish());
  while (cut_.update < config_.ppo().num_updates()) {
    const int64_t update = cut_.update + 1;
    absl::StatusOr<Work> work = NextWork(update);
    absl::Status status = work.status();
    if (status.ok() && work->checkpoint) {
      RLHF_RETURN_IF_ERROR(SaveCheckpoint());
      continue;
    }
    if (status.ok()) {
      if (!work->batch.has_value() && !work->left_out.has_value()) break;
      status = work->batch.has_value()
                   ? Step(*work->batch)
                   : LeaveOut(*work->left_out, v1::UpdateReport());
    }
    if (IsStop(status)) {
      // Shares of a rank that left cannot be brought together any more.
      is_cut_ = config_.learner().sharding() != v1::LearnerConfig::SHARDED &&
                (cut_.update == update || !work.ok() ||
                 trainer_.steps_of_update() == 0);
      RLHF_LOG(WARNING) << "update " << update
                        << " was given up; its batch is in the journal: "
                        << status.message();
      break;
    }
    RLHF_RETURN_IF_ERROR(status);
    RLHF_RETURN_IF_ERROR(CompareIfDue());
    RLHF_RETURN_IF_ERROR(CheckpointIfDue());
  }
  return absl::OkStatus();
}

absl::StatusOr<LearnerLoop::Work> LearnerLoop::NextWork(int64_t update) {
  communicator_.Describe(absl::StrCat("batch of update ", update,
                                      " for policy version ", update - 1));
  if (head_ == nullptr) {
    RLHF_ASSIGN_OR_RETURN(const std::string bytes,
                          WaitForRankZero(communicator_));
    return Decode(bytes);
  }
  absl::StatusOr<Work> work = Collect(update);
  absl::StatusOr<std::string> word = "";
  if (work.ok()) {
    word = Encode(*work);
  } else {
    word = work.status();
  }
  RLHF_RETURN_IF_ERROR(TellOthers(communicator_, std::move(word)).status());
  return work;
}

std::string LearnerLoop::Encode(const Work& work) {
  if (work.left_out.has_value()) {
    return kLeftOut + EncodeLeftOut(*work.left_out);
  }
  if (work.checkpoint) return kCheckpoint;
  return work.batch.has_value() ? EncodeBatch(*work.batch) : "";
}

absl::StatusOr<LearnerLoop::Work> LearnerLoop::Decode(
    const std::string& bytes) {
  if (bytes.empty()) return Work();
  if (bytes == kCheckpoint) return Work{.checkpoint = true};
  absl::string_view rest = bytes;
  if (absl::ConsumePrefix(&rest, kLeftOut)) {
    RLHF_ASSIGN_OR_RETURN(LeftOut left_out, DecodeLeftOut(std::string(rest)));
    return Work{.left_out = std::move(left_out)};
  }
  return Work{.batch = DecodeBatch(bytes)};
}

absl::StatusOr<LearnerLoop::Work> LearnerLoop::Collect(int64_t update) {
  if (ShutdownRequested()) return Work();
  RLHF_ASSIGN_OR_RETURN(std::optional<LeftOut> left_out,
                        FindLeftOut(RunDirectory(config_), update));
  if (left_out.has_value()) {
    // What it went back to may still be being written.
    RLHF_RETURN_IF_ERROR(WhileOthersWait(
        communicator_, [this] { return head_->FinishCheckpoint(); }));
    return Work{.left_out = std::move(left_out)};
  }
  return CollectAsOrdered(update);
}

absl::StatusOr<LearnerLoop::Work> LearnerLoop::CollectAsOrdered(
    int64_t update) {
  // An order may come before the batch is there and while it is waited for.
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const Ordered ordered,
                          WaitOutOrders(last_saved_, *head_, communicator_));
    if (ordered == Ordered::kCheckpoint) return Work{.checkpoint = true};
    if (ordered == Ordered::kStop) return Work();
    if (collected_.has_value()) break;
    RLHF_ASSIGN_OR_RETURN(const bool quiet,
                          WaitOutSentinel(config_.ppo().sentinel(), steering_,
                                          last_saved_, *head_, communicator_));
    if (!quiet) continue;
    RLHF_ASSIGN_OR_RETURN(collected_, head_->Collect(update));
    if (!collected_.has_value()) return Work();
  }
  head_->ShowPhase("update");
  return Work{.batch = std::exchange(collected_, std::nullopt)};
}

absl::Status LearnerLoop::Restart(const Batch& batch) {
  RLHF_LOG(WARNING) << "PM version " << batch.header.pm().version()
                    << " rewards from update " << batch.header.update()
                    << " on; the policy begins again";
  RLHF_ASSIGN_OR_RETURN(v1::UpdateReport report,
                        RestartPolicy(config_, batch, trainer_));
  cut_ = {.update = batch.header.update(),
          .world_size = communicator_.world_size(),
          .batch = batch.header};
  save_now_ = true;
  return Show(report);
}

absl::Status LearnerLoop::Step(const Batch& batch) {
  preemption_.update_started = MonotonicNow();
  const UpdateOrders orders = steering_.For(batch.header.pm());
  if (orders.restart) return Restart(batch);
  if (!orders.over_optimisation.empty()) {
    RLHF_LOG(WARNING) << "over-optimisation before update "
                      << batch.header.update() << ": "
                      << orders.over_optimisation;
  }
  RLHF_ASSIGN_OR_RETURN(v1::UpdateReport report,
                        MakeUpdate(batch, orders, trainer_));
  if (trainer_.divergence().action != Divergence::Action::kContinue) {
    RLHF_ASSIGN_OR_RETURN(const LeftOut left_out, Agree(batch.header));
    return LeaveOut(left_out, std::move(report));
  }
  preemption_.expected_update = MonotonicNow() - preemption_.update_started;
  cut_ = {.update = batch.header.update(),
          .world_size = communicator_.world_size(),
          .batch = batch.header,
          .reward = report.reward_anchored_mean()};
  return Show(report);
}

absl::StatusOr<LeftOut> LearnerLoop::Agree(const v1::BatchHeader& header) {
  const Divergence& divergence = trainer_.divergence();
  if (divergence.action == Divergence::Action::kStop) {
    return absl::FailedPreconditionError(absl::StrCat(
        "update ", header.update(), " diverged: ", divergence.reason,
        "; the policy is as it was before it. Look at the rewards in its ",
        "journal, then go on with learner.on_divergence SKIP or ROLL_BACK, ",
        "which leave its batch out"));
  }
  communicator_.Describe(absl::StrCat("what to do about update ",
                                      header.update(), ", which diverged"));
  RLHF_ASSIGN_OR_RETURN(
      const std::string bytes,
      RunOnRankZero(communicator_, [&]() -> absl::StatusOr<std::string> {
        RLHF_ASSIGN_OR_RETURN(const LeftOut left_out, SetBatchAside(header));
        return EncodeLeftOut(left_out);
      }));
  return DecodeLeftOut(bytes);
}

absl::StatusOr<LeftOut> LearnerLoop::SetBatchAside(
    const v1::BatchHeader& header) {
  const Divergence& divergence = trainer_.divergence();
  LeftOut left_out = {.header = header, .reason = divergence.reason};
  if (divergence.action == Divergence::Action::kRollBack) {
    RLHF_RETURN_IF_ERROR(head_->FinishCheckpoint());
    // The newest may hold the very policy that is bad.
    const int64_t last = header.update() - (divergence.policy_is_bad ? 2 : 1);
    RLHF_ASSIGN_OR_RETURN(const std::optional<Checkpoint> checkpoint,
                          store_.Newest(last));
    if (!checkpoint.has_value()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "update ", header.update(), " diverged: ", divergence.reason,
          "; there is no checkpoint of update ", last,
          " or before to roll back to; keep more (learner.checkpoints_kept)"));
    }
    left_out.rolled_back_to = checkpoint->step;
  }
  RLHF_RETURN_IF_ERROR(SetAside(RunDirectory(config_), left_out));
  return left_out;
}

absl::Status LearnerLoop::LeaveOut(const LeftOut& left_out,
                                   v1::UpdateReport report) {
  const int64_t update = left_out.header.update();
  std::string what = left_out.reason;
  if (left_out.rolled_back_to.has_value()) {
    const int64_t step = *left_out.rolled_back_to;
    absl::StrAppend(&what, "; rolled back to the policy of update ", step);
    RLHF_RETURN_IF_ERROR(RollBack(update, step));
  }
  RLHF_LOG(WARNING) << "update " << update << " is left out: " << what;
  report.set_update(update);
  report.set_policy_version(update);
  *report.mutable_pm() = left_out.header.pm();
  report.set_left_out(what);
  // What the sentinel ordered was not done, and is ordered again.
  report.clear_over_optimisation();
  cut_ = {.update = update,
          .world_size = communicator_.world_size(),
          .batch = left_out.header};
  // So that nobody has to go the same way again.
  save_now_ = left_out.rolled_back_to.has_value();
  return Show(report);
}

absl::Status LearnerLoop::RollBack(int64_t update, int64_t step) {
  RLHF_ASSIGN_OR_RETURN(const std::optional<Checkpoint> checkpoint,
                        store_.Newest(step));
  if (!checkpoint.has_value() || checkpoint->step != step) {
    return absl::DataLossError(absl::StrCat(
        "update ", update, " went back to the checkpoint of update ", step,
        ", which is gone; restore it"));
  }
  RLHF_RETURN_IF_ERROR(LoadLearner(checkpoint->directory, trainer_).status());
  // The next save may remove the files, so all must have read them.
  communicator_.Describe(absl::StrCat("end of the way back to update ", step));
  double num_ranks = 1;
  return communicator_.SumNumbers({&num_ranks});
}

absl::Status LearnerLoop::Publish() {
  communicator_.Describe(absl::StrCat("policy version ", cut_.update));
  RLHF_ASSIGN_OR_RETURN(const NamedTensors policy, trainer_.GatherPolicy());
  if (head_ == nullptr) return absl::OkStatus();
  head_->orders().Reached(cut_.update, trainer_.kl_coefficient());
  return head_->Publish(policy, cut_.update);
}

absl::Status LearnerLoop::SaveSnapshot() {
  communicator_.Describe(absl::StrCat("snapshot of update ", cut_.update));
  RLHF_ASSIGN_OR_RETURN(const NamedTensors policy, trainer_.GatherPolicy());
  return RunOnRankZero(communicator_,
                       [&]() -> absl::StatusOr<std::string> {
                         RLHF_RETURN_IF_ERROR(head_->Snapshot(
                             trainer_.policy().config(), policy, cut_.update));
                         return "saved";
                       })
      .status();
}

absl::Status LearnerLoop::SaveCheckpoint() {
  communicator_.Describe(absl::StrCat("checkpoint of update ", cut_.update));
  last_saved_ = cut_.update;
  RLHF_ASSIGN_OR_RETURN(const LearnerState state, GatherLearner(trainer_));
  return RunOnRankZero(communicator_,
                       [&]() -> absl::StatusOr<std::string> {
                         RLHF_RETURN_IF_ERROR(head_->Checkpoint(state, cut_));
                         return "begun";
                       })
      .status();
}

absl::Status LearnerLoop::SaveLastCheckpoint() {
  communicator_.Describe(
      absl::StrCat("last checkpoint, of update ", cut_.update));
  RLHF_ASSIGN_OR_RETURN(const LearnerState state, GatherLearner(trainer_));
  return head_ == nullptr ? absl::OkStatus() : head_->Checkpoint(state, cut_);
}

absl::Status LearnerLoop::Show(v1::UpdateReport& report) {
  const Stopwatch stopwatch;
  RLHF_RETURN_IF_ERROR(Publish());
  report.set_broadcast_seconds(stopwatch.seconds());
  report.set_checkpoint_seconds(checkpoint_seconds_);
  metrics_.ShowUpdate(report, communicator_.sent_bytes(),
                      trainer_.response_kl_nats());
  steering_.Saw(report);
  if (head_ != nullptr) RLHF_RETURN_IF_ERROR(head_->Record(report));
  const int64_t every = config_.learner().snapshot_every();
  return every > 0 && report.update() % every == 0 ? SaveSnapshot()
                                                   : absl::OkStatus();
}

absl::Status LearnerLoop::CompareIfDue() {
  const v1::LearnerConfig& learner = config_.learner();
  const int64_t every = learner.compare_parameters_every();
  if (every == 0 || cut_.update % every != 0 ||
      learner.sharding() == v1::LearnerConfig::SHARDED) {
    return absl::OkStatus();
  }
  const std::string what =
      absl::StrCat("comparison of the ranks after update ", cut_.update);
  communicator_.Describe(what);
  NamedTensors all = trainer_.ExportParameters();
  for (NamedTensor& t : trainer_.ExportOptimizer()) {
    all.push_back(std::move(t));
  }
  return WithContext(CompareRanks(communicator_, all), what);
}

absl::Status LearnerLoop::CheckpointIfDue() {
  const bool due = std::exchange(save_now_, false) ||
                   cut_.update % config_.learner().checkpoint_every() == 0 ||
                   cut_.update == config_.ppo().num_updates();
  checkpoint_seconds_ = 0;
  if (!due) return absl::OkStatus();
  const Stopwatch stopwatch;
  RLHF_RETURN_IF_ERROR(SaveCheckpoint());
  if (head_ == nullptr) return absl::OkStatus();
  checkpoint_seconds_ = stopwatch.seconds();
  preemption_.expected_save = absl::Seconds(head_->checkpoint_seconds());
  return absl::OkStatus();
}

bool LearnerLoop::IsStop(const absl::Status& status) const {
  return ShutdownRequested() &&
         (absl::IsCancelled(status) ||
          (communicator_.world_size() > 1 &&
           (absl::IsUnavailable(status) || absl::IsAborted(status) ||
            absl::IsDeadlineExceeded(status))));
}

}  // namespace rlhf
