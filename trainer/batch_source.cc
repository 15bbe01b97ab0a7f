#include "trainer/batch_source.h"

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/rpc/retry.h"

namespace rlhf {
namespace {

// Less than the shortest useful collective timeout: other ranks wait meanwhile.
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

}  // namespace

void CompleteAnchor(Batch& batch) {
  if (batch.header.reward_scale() > 0) return;
  std::vector<double> scores;
  for (const v1::Rollout& rollout : batch.rollouts) {
    scores.push_back(rollout.reward());
  }
  const RewardAnchor anchor = ComputeAnchor(scores);
  batch.header.set_reward_mean(anchor.mean);
  batch.header.set_reward_scale(anchor.scale);
}

absl::Status BatchSource::KeepAlive() {
  if (absl::Now() < next_keep_alive_) return absl::OkStatus();
  next_keep_alive_ = absl::Now() + kKeepAliveInterval;
  return options_.keep_alive();
}

absl::StatusOr<std::optional<v1::RewardStatus>> BatchSource::WaitForPm() {
  while (!ShutdownRequested()) {
    const auto status = options_.rewards->GetStatus(absl::Seconds(2));
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
    RLHF_ASSIGN_OR_RETURN(
        const ScoreResult part,
        options_.rewards->Score(Dialogues(rollouts.subspan(begin, kScoreChunk)),
                                pm_version, kScoreTimeout));
    all.scores.insert(all.scores.end(), part.scores.begin(), part.scores.end());
    all.pm = part.pm;
    RLHF_RETURN_IF_ERROR(KeepAlive());
  }
  return all;
}

absl::StatusOr<RewardAnchor> BatchSource::AnchorOf(const v1::ModelVersion& pm) {
  if (anchor_.has_value() && anchor_->first == pm.digest()) {
    return anchor_->second;
  }
  JournalContents first;
  std::string path = JournalPath(options_.run_directory, 1);
  if (!FileExists(path)) path = PoisonedJournalPath(options_.run_directory, 1);
  const auto journal = RolloutJournal::Open(path, first);
  // Not the reward server's NotFound, after which another PM is asked.
  if (!journal.ok()) {
    return absl::DataLossError(
        absl::StrCat("the first batch, by which PMs are put on one scale, "
                     "cannot be read: ",
                     journal.status().message()));
  }
  RLHF_ASSIGN_OR_RETURN(const ScoreResult result,
                        Score(first.rollouts, pm.version()));
  anchor_ = {pm.digest(),
             ComputeAnchor({result.scores.begin(), result.scores.end()})};
  return anchor_->second;
}

absl::StatusOr<v1::BatchHeader> BatchSource::MakeHeader(
    int64_t update, const v1::ModelVersion& pm) {
  v1::BatchHeader header;
  header.set_update(update);
  *header.mutable_pm() = pm;
  // The first batch is its own anchor; scale 0 says so.
  if (update == 1) return header;
  RLHF_ASSIGN_OR_RETURN(const RewardAnchor anchor, AnchorOf(pm));
  header.set_reward_mean(anchor.mean);
  header.set_reward_scale(anchor.scale);
  return header;
}

absl::StatusOr<std::optional<v1::BatchHeader>> BatchSource::PinServingPm(
    int64_t update, std::vector<v1::Rollout>& rollouts) {
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::RewardStatus> status,
                          WaitForPm());
    if (!status.has_value()) return std::optional<v1::BatchHeader>();
    absl::StatusOr<v1::BatchHeader> header =
        MakeHeader(update, status->serving());
    absl::Status scored = header.status();
    if (scored.ok()) scored = Rescore(*header, rollouts);
    if (scored.ok()) return std::optional(*std::move(header));
    if (!absl::IsNotFound(scored) && !IsTransient(scored)) return scored;
    RLHF_LOG(WARNING) << "cannot score with PM version "
                      << status->serving().version()
                      << "; asking again which one serves: " << scored;
    RLHF_RETURN_IF_ERROR(KeepAlive());
  }
}

absl::StatusOr<std::optional<v1::BatchHeader>> BatchSource::Open(
    int64_t update) {
  const std::string path = JournalPath(options_.run_directory, update);
  if (FileExists(path)) {
    JournalContents contents;
    RLHF_ASSIGN_OR_RETURN(RolloutJournal journal,
                          RolloutJournal::Open(path, contents));
    options_.rollouts->StartBatch(contents.header, std::move(journal),
                                  contents.rollouts);
    return std::optional(contents.header);
  }
  std::vector<v1::Rollout> none;
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::BatchHeader> header,
                        PinServingPm(update, none));
  if (!header.has_value()) return header;
  RLHF_ASSIGN_OR_RETURN(RolloutJournal journal,
                        RolloutJournal::Create(path, *header));
  options_.rollouts->StartBatch(*header, std::move(journal), {});
  return header;
}

// Acknowledged rollouts are never thrown away: if their PM left both slots of
// the reward server, they are scored again by the one that serves.
absl::Status BatchSource::Rescore(const v1::BatchHeader& header,
                                  std::vector<v1::Rollout>& rollouts) {
  if (rollouts.empty()) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(const ScoreResult result,
                        Score(rollouts, header.pm().version()));
  for (size_t i = 0; i < rollouts.size(); ++i) {
    rollouts[i].set_reward(result.scores[i]);
    *rollouts[i].mutable_pm() = result.pm;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::BatchHeader>> BatchSource::RescoreIfPmIsGone(
    const v1::BatchHeader& header) {
  const auto status = options_.rewards->GetStatus(absl::Seconds(2));
  const int64_t pinned = header.pm().version();
  if (!status.ok() || status->serving().version() == 0 ||
      status->serving().version() == pinned ||
      status->previous().version() == pinned) {
    return std::optional<v1::BatchHeader>();
  }
  RLHF_LOG(WARNING) << "PM version " << pinned
                    << " is no longer served; scoring the batch of update "
                    << header.update() << " with the one that is";
  std::vector<v1::Rollout> rollouts = options_.rollouts->AbandonBatch();
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::BatchHeader> fresh,
                        PinServingPm(header.update(), rollouts));
  if (!fresh.has_value()) return fresh;
  const std::string path = JournalPath(options_.run_directory, header.update());
  const std::string rewritten = path + ".rescored";
  RLHF_RETURN_IF_ERROR(RemoveAll(rewritten));
  RLHF_ASSIGN_OR_RETURN(RolloutJournal journal,
                        RolloutJournal::Create(rewritten, *fresh));
  RLHF_RETURN_IF_ERROR(journal.Append(rollouts));
  RLHF_RETURN_IF_ERROR(journal.MoveTo(path));
  options_.rollouts->StartBatch(*fresh, std::move(journal), rollouts);
  return fresh;
}

absl::StatusOr<std::optional<Batch>> BatchSource::Collect(int64_t update) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(options_.run_directory + "/rollouts"));
  RLHF_ASSIGN_OR_RETURN(std::optional<v1::BatchHeader> header, Open(update));
  if (!header.has_value()) return std::optional<Batch>();
  const Stopwatch stopwatch;
  const auto show = [this](const v1::BatchHeader& open) {
    options_.control->Change([&](v1::LearnerStatus& status) {
      status.set_phase("rollouts");
      *status.mutable_pm() = open.pm();
    });
  };
  show(*header);
  absl::Time next_check = absl::Now() + kPmCheckInterval;
  while (!options_.rollouts->WaitComplete(absl::Milliseconds(200))) {
    if (ShutdownRequested()) return std::optional<Batch>();
    const int64_t accepted = options_.rollouts->num_accepted();
    options_.control->Change([&](v1::LearnerStatus& status) {
      status.set_rollouts_accepted(static_cast<int32_t>(accepted));
    });
    RLHF_RETURN_IF_ERROR(KeepAlive());
    if (absl::Now() < next_check) continue;
    next_check = absl::Now() + kPmCheckInterval;
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::BatchHeader> fresh,
                          RescoreIfPmIsGone(*header));
    if (!fresh.has_value()) continue;
    header = fresh;
    show(*header);
  }
  Batch batch{.header = *header,
              .rollouts = options_.rollouts->TakeBatch(),
              .seconds = stopwatch.seconds()};
  CompleteAnchor(batch);
  return std::optional(std::move(batch));
}

}  // namespace rlhf
