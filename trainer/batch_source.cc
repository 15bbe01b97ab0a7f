#include "trainer/batch_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/run_beside.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/rpc/retry.h"
#include "trainer/pm_mixture.h"

namespace rlhf {
namespace {

// Of one request, tried again after it.
constexpr absl::Duration kScoreTimeout = absl::Seconds(20);
constexpr absl::Duration kPmCheckInterval = absl::Seconds(2);
constexpr absl::Duration kKeepAliveInterval = absl::Milliseconds(300);

// Dialogues in one request: well below a reward server's queue, and scored
// within the timeout on a slow machine.
constexpr size_t kScoreChunk = 32;

std::vector<v1::ScoredDialogue> Dialogues(
    absl::Span<const v1::Rollout> rollouts) {
  std::vector<v1::ScoredDialogue> dialogues;
  for (const v1::Rollout& rollout : rollouts) {
    v1::ScoredDialogue& dialogue = dialogues.emplace_back();
    *dialogue.mutable_prompt() = rollout.prompt().messages();
    dialogue.set_response(rollout.response_text());
  }
  return dialogues;
}

// Puts the scale by which `rollouts` have mean 0 and deviation 1 into `header`:
// of their rewards, and of each member's scores.
void AnchorBy(const std::vector<v1::Rollout>& rollouts,
              v1::BatchHeader& header) {
  std::vector<double> rewards;
  std::map<std::string, std::vector<double>> by_member;
  for (const v1::Rollout& rollout : rollouts) {
    rewards.push_back(rollout.reward());
    for (const v1::MemberScore& score : rollout.member_scores()) {
      by_member[score.member()].push_back(score.score());
    }
  }
  const RewardAnchor anchor = ComputeAnchor(rewards);
  header.set_reward_mean(anchor.mean);
  header.set_reward_scale(anchor.scale);
  header.clear_members();
  for (const auto& [name, scores] : by_member) {
    const RewardAnchor of_member = ComputeAnchor(scores);
    v1::MemberAnchor& member = *header.add_members();
    member.set_member(name);
    member.set_mean(of_member.mean);
    member.set_scale(of_member.scale);
  }
}

// The PM that `status` offers for `update`. A canary that could not score a
// dialogue gets no more.
const v1::ModelVersion& Choose(const v1::RewardStatus& status, int64_t update,
                               const BatchSource::Options& options) {
  return status.canary().version() > 0 && status.canary_error().empty() &&
                 options.takes_canary(update)
             ? status.canary()
             : status.serving();
}

}  // namespace

absl::Status CompleteRewards(Batch& batch) {
  RLHF_RETURN_IF_ERROR(MixRewards(batch.header.mixture(), batch.rollouts));
  if (batch.header.reward_scale() <= 0) AnchorBy(batch.rollouts, batch.header);
  return absl::OkStatus();
}

absl::Status BatchSource::KeepAlive() {
  if (MonotonicNow() < next_keep_alive_) return absl::OkStatus();
  next_keep_alive_ = MonotonicNow() + kKeepAliveInterval;
  return options_.keep_alive();
}

absl::StatusOr<v1::RewardStatus> BatchSource::AskRewardServer() {
  auto status = options_.rewards->GetStatus(absl::Seconds(2));
  if (status.ok() != rewards_answer_) {
    rewards_answer_ = status.ok();
    if (status.ok()) {
      RLHF_LOG(INFO) << "the reward server answers again";
    } else {
      RLHF_LOG(WARNING) << "the reward server does not answer: "
                        << status.status();
    }
  }
  return status;
}

absl::StatusOr<std::optional<v1::RewardStatus>> BatchSource::WaitForPm() {
  while (!ShutdownRequested()) {
    const auto status = AskRewardServer();
    if (status.ok() && status->serving().version() > 0) {
      return std::optional(*status);
    }
    options_.control->SetPhase("waiting for a preference model");
    RLHF_RETURN_IF_ERROR(KeepAlive());
    WaitForShutdown(absl::Milliseconds(300));
  }
  return std::optional<v1::RewardStatus>();
}

absl::StatusOr<ScoreResult> BatchSource::Score(
    absl::Span<const v1::Rollout> rollouts, int64_t pm_version) {
  ScoreResult all;
  for (size_t begin = 0; begin < rollouts.size(); begin += kScoreChunk) {
    absl::Status alive;
    const absl::StatusOr<ScoreResult> part = RunBeside(
        [&, begin] {
          return options_.rewards->Score(
              Dialogues(rollouts.subspan(begin, kScoreChunk)), pm_version,
              kScoreTimeout);
        },
        kKeepAliveInterval, [&] { alive.Update(KeepAlive()); });
    RLHF_RETURN_IF_ERROR(alive);
    RLHF_RETURN_IF_ERROR(part.status());
    all.scores.insert(all.scores.end(), part->scores.begin(),
                      part->scores.end());
    all.pm = part->pm;
    all.members.resize(part->members.size());
    for (size_t m = 0; m < part->members.size(); ++m) {
      all.members[m].MergeFrom(part->members[m]);
    }
    RLHF_RETURN_IF_ERROR(KeepAlive());
  }
  return all;
}

absl::StatusOr<v1::BatchHeader> BatchSource::AnchorOf(
    const v1::ModelVersion& pm, const v1::PmMixture& mixture) {
  const std::string name = pm.digest() + mixture.SerializeAsString();
  const auto known =
      std::find_if(anchors_.begin(), anchors_.end(),
                   [&](const auto& anchor) { return anchor.first == name; });
  if (known != anchors_.end()) {
    std::rotate(anchors_.begin(), known, known + 1);
    return anchors_.front().second;
  }
  std::string path = JournalPath(options_.run_directory, 1);
  if (!FileExists(path)) path = PoisonedJournalPath(options_.run_directory, 1);
  const auto first = RolloutJournal::Read(path);
  // Not the reward server's NotFound, after which another PM is asked.
  if (!first.ok()) {
    return absl::DataLossError(
        absl::StrCat("the first batch, by which PMs are put on one scale, "
                     "cannot be read: ",
                     first.status().message()));
  }
  RLHF_ASSIGN_OR_RETURN(const ScoreResult result,
                        Score(first->rollouts, pm.version()));
  std::vector<v1::Rollout> rollouts = first->rollouts;
  for (size_t i = 0; i < rollouts.size(); ++i) result.Fill(i, rollouts[i]);
  RLHF_RETURN_IF_ERROR(MixRewards(mixture, rollouts));
  v1::BatchHeader anchor;
  AnchorBy(rollouts, anchor);
  anchors_.emplace(anchors_.begin(), name, std::move(anchor));
  if (anchors_.size() > 2) anchors_.pop_back();
  return anchors_.front().second;
}

absl::StatusOr<v1::BatchHeader> BatchSource::MakeHeader(
    int64_t update, const v1::ModelVersion& pm) {
  RLHF_ASSIGN_OR_RETURN(v1::BatchHeader header, options_.ordered(update, pm));
  // The first batch is its own anchor; scale 0 says so.
  if (update > 1) {
    RLHF_ASSIGN_OR_RETURN(const v1::BatchHeader anchor,
                          AnchorOf(pm, header.mixture()));
    header.MergeFrom(anchor);
  }
  header.set_update(update);
  *header.mutable_pm() = pm;
  return header;
}

absl::StatusOr<std::optional<v1::BatchHeader>> BatchSource::PinServingPm(
    int64_t update, std::vector<v1::Rollout>& rollouts) {
  bool canary_failed = false;
  while (true) {
    RLHF_ASSIGN_OR_RETURN(std::optional<v1::RewardStatus> status, WaitForPm());
    if (!status.has_value()) return std::optional<v1::BatchHeader>();
    if (canary_failed) status->clear_canary();
    const v1::ModelVersion& pm = Choose(*status, update, options_);
    absl::StatusOr<v1::BatchHeader> header = MakeHeader(update, pm);
    absl::Status scored = header.status();
    if (scored.ok()) scored = Rescore(*header, rollouts);
    if (scored.ok()) return std::optional(*std::move(header));
    // A PM on trial that cannot score must not end the run.
    canary_failed |= pm.version() != status->serving().version();
    if (!canary_failed && !absl::IsNotFound(scored) && !IsTransient(scored)) {
      return scored;
    }
    RLHF_LOG(WARNING) << "cannot score with PM version " << pm.version()
                      << "; asking again which one serves: " << scored;
    RLHF_RETURN_IF_ERROR(KeepAlive());
  }
}

absl::StatusOr<bool> BatchSource::Open(int64_t update) {
  const std::string path = JournalPath(options_.run_directory, update);
  JournalContents contents;
  if (!FileExists(path)) {
    std::vector<v1::Rollout> none;
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::BatchHeader> header,
                          PinServingPm(update, none));
    if (!header.has_value()) return false;
    RLHF_RETURN_IF_ERROR(RolloutJournal::Create(path, *header).status());
  }
  RLHF_ASSIGN_OR_RETURN(RolloutJournal journal,
                        RolloutJournal::Open(path, contents));
  options_.rollouts->OpenBatch(contents.header, std::move(journal),
                               contents.rollouts);
  headers_[update] = contents.header;
  return true;
}

absl::StatusOr<bool> BatchSource::OpenBatches(int64_t first, int64_t last) {
  for (int64_t update = first; update <= last; ++update) {
    if (options_.rollouts->is_open(update)) continue;
    RLHF_ASSIGN_OR_RETURN(const bool opened, Open(update));
    if (!opened) return false;
  }
  return true;
}

// Acknowledged rollouts are never thrown away: if their PM left both slots of
// the reward server, they are scored again by the one that serves.
absl::Status BatchSource::Rescore(const v1::BatchHeader& header,
                                  std::vector<v1::Rollout>& rollouts) {
  if (rollouts.empty()) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(const ScoreResult result,
                        Score(rollouts, header.pm().version()));
  for (size_t i = 0; i < rollouts.size(); ++i) {
    result.Fill(i, rollouts[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> BatchSource::ScoreAnew(int64_t update) {
  std::vector<v1::Rollout> rollouts = options_.rollouts->AbandonBatch(update);
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::BatchHeader> fresh,
                        PinServingPm(update, rollouts));
  if (!fresh.has_value()) return false;
  const std::string path = JournalPath(options_.run_directory, update);
  const std::string rewritten = path + ".rescored";
  RLHF_RETURN_IF_ERROR(RemoveAll(rewritten));
  RLHF_ASSIGN_OR_RETURN(RolloutJournal journal,
                        RolloutJournal::Create(rewritten, *fresh));
  RLHF_RETURN_IF_ERROR(journal.Append(rollouts));
  RLHF_RETURN_IF_ERROR(journal.MoveTo(path));
  options_.rollouts->OpenBatch(*fresh, std::move(journal), rollouts);
  headers_[update] = *fresh;
  return true;
}

absl::StatusOr<bool> BatchSource::RescoreWhereThePmIsGone() {
  if (MonotonicNow() < next_pm_check_) return true;
  next_pm_check_ = MonotonicNow() + kPmCheckInterval;
  const auto status = AskRewardServer();
  if (!status.ok() || status->serving().version() == 0) return true;
  std::vector<int64_t> gone;
  for (const auto& [update, header] : headers_) {
    const int64_t pinned = header.pm().version();
    if (status->serving().version() == pinned ||
        status->previous().version() == pinned ||
        (status->canary().version() == pinned &&
         status->canary_error().empty()) ||
        options_.rollouts->complete(update)) {
      continue;
    }
    RLHF_LOG(WARNING) << "PM version " << pinned
                      << " is no longer served, or cannot score; scoring the "
                         "batch of update "
                      << update << " with the one that serves";
    gone.push_back(update);
  }
  for (const int64_t update : gone) {
    RLHF_ASSIGN_OR_RETURN(const bool scored, ScoreAnew(update));
    if (!scored) return false;
  }
  return true;
}

void BatchSource::Show(int64_t update) {
  const int64_t accepted = options_.rollouts->num_accepted(update);
  options_.control->Change([&](v1::LearnerStatus& status) {
    status.set_phase("generation");
    *status.mutable_pm() = headers_.at(update).pm();
    status.set_rollouts_accepted(static_cast<int32_t>(accepted));
  });
}

absl::StatusOr<std::optional<Batch>> BatchSource::Collect(int64_t update) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(options_.run_directory + "/rollouts"));
  const int64_t last =
      std::min(update + options_.num_ahead, options_.num_updates);
  // The first batch is the scale of every other, which cannot begin before it
  // is complete.
  RLHF_ASSIGN_OR_RETURN(bool opened,
                        OpenBatches(update, update == 1 ? update : last));
  if (!opened) return std::optional<Batch>();
  const Stopwatch stopwatch;
  next_pm_check_ = MonotonicNow() + kPmCheckInterval;
  Show(update);
  while (!options_.rollouts->WaitComplete(update, absl::Milliseconds(200))) {
    if (ShutdownRequested()) return std::optional<Batch>();
    RLHF_RETURN_IF_ERROR(KeepAlive());
    RLHF_ASSIGN_OR_RETURN(const bool scored, RescoreWhereThePmIsGone());
    if (!scored) return std::optional<Batch>();
    Show(update);
  }
  Batch batch{.header = headers_.at(update),
              .rollouts = options_.rollouts->TakeBatch(update),
              .seconds = stopwatch.seconds()};
  headers_.erase(update);
  RLHF_RETURN_IF_ERROR(CompleteRewards(batch));
  // Shutdown does not concern a batch that is complete.
  RLHF_RETURN_IF_ERROR(OpenBatches(update + 1, last).status());
  return std::optional(std::move(batch));
}

}  // namespace rlhf
