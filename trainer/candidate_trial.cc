#include "trainer/candidate_trial.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/json_lines.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "trainer/gate_report.h"

namespace rlhf {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(200);

absl::Status Cancelled() {
  return absl::CancelledError("the trial of a PM was stopped");
}

ShadowEvidence EvidenceOf(const v1::ShadowStatus& status, int64_t wanted) {
  return {.num_dialogues = status.num_dialogues(),
          .num_wanted = wanted,
          .rank_correlation = status.rank_correlation(),
          .agreement = status.agreement(),
          .mean = status.mean(),
          .serving_mean = status.serving_mean(),
          .serving_deviation = status.serving_deviation()};
}

// The updates that one PM version rewarded, as metrics.jsonl grows.
class UpdateCounter {
 public:
  UpdateCounter(const std::string& run_directory, int64_t version)
      : path_(run_directory + "/metrics.jsonl"),
        version_(version),
        tail_(path_) {}

  // Reads what was appended since the last call. An update that was made again
  // counts as it was made last; of a file that became shorter, what is in it
  // now counts. Errors: DataLoss that names file and line.
  absl::StatusOr<CanaryEvidence> Count() {
    BeginAgainIfShorter();
    for (const std::string& line : tail_->NewLines()) {
      ++num_lines_;
      num_bytes_ += line.size() + 1;
      v1::UpdateReport report;
      const absl::Status parsed = JsonToProto(line, &report);
      if (!parsed.ok()) {
        return absl::DataLossError(
            absl::StrCat(path_, ":", num_lines_, ": ", parsed.message()));
      }
      updates_[report.update()] = {.is_ours = report.pm().version() == version_,
                                   .is_left_out = !report.left_out().empty()};
    }
    CanaryEvidence evidence = {.num_updates_in_all =
                                   static_cast<int64_t>(updates_.size())};
    for (const auto& [number, update] : updates_) {
      if (!update.is_ours) continue;
      ++evidence.num_updates;
      evidence.num_left_out += update.is_left_out ? 1 : 0;
    }
    return evidence;
  }

 private:
  struct Update {
    bool is_ours = false;
    bool is_left_out = false;
  };

  // People move the file away to train on from an older checkpoint
  // (learner_state.cc), and the next update begins another.
  void BeginAgainIfShorter() {
    std::error_code error;
    const auto size = std::filesystem::file_size(path_, error);
    if (error || size >= num_bytes_) return;
    tail_.emplace(path_);
    num_lines_ = 0;
    num_bytes_ = 0;
    updates_.clear();
  }

  const std::string path_;
  const int64_t version_;
  std::optional<JsonLinesTail> tail_;
  // Read so far, by `tail_`.
  int64_t num_lines_ = 0;
  uintmax_t num_bytes_ = 0;
  std::map<int64_t, Update> updates_;  // by number
};

}  // namespace

absl::StatusOr<std::vector<GateVerdict>> CandidateTrial::Run(int64_t version) {
  // What an earlier process left: it begins anew.
  RLHF_RETURN_IF_ERROR(EndTrials("its trials begin anew"));
  std::vector<GateVerdict> verdicts;
  if (options_.gate.shadow_dialogues() > 0) {
    RLHF_ASSIGN_OR_RETURN(verdicts.emplace_back(), Shadow(version));
  }
  const auto passed = [&] {
    return verdicts.empty() || verdicts.back().promote;
  };
  if (passed() && options_.gate.canary_updates() > 0) {
    RLHF_ASSIGN_OR_RETURN(verdicts.emplace_back(), Canary(version));
  }
  // Promotion takes the alias away in one step with its move to serving.
  if (!passed()) RLHF_RETURN_IF_ERROR(EndTrials(verdicts.back().reason));
  return verdicts;
}

absl::Status CandidateTrial::EndTrials(const std::string& reason) {
  for (const char* alias : {"shadow", "canary"}) {
    RLHF_RETURN_IF_ERROR(
        options_.registry->ClearAlias(alias, {"gate", reason}));
  }
  return absl::OkStatus();
}

absl::StatusOr<GateVerdict> CandidateTrial::Shadow(int64_t version) {
  const TransitionCause begins = {"gate", "scores live dialogues, unheard"};
  RLHF_RETURN_IF_ERROR(options_.registry->SetAlias("shadow", version, begins));
  const int64_t wanted = options_.gate.shadow_dialogues();
  const absl::Time end =
      MonotonicNow() + absl::Seconds(options_.gate.shadow_seconds());
  v1::ShadowStatus seen;
  while (seen.num_dialogues() < wanted && MonotonicNow() < end) {
    if (WaitForShutdown(kPollInterval)) return Cancelled();
    const auto status = options_.rewards->GetStatus(absl::Seconds(2));
    if (!status.ok() || status->shadow().pm().version() != version) continue;
    seen = status->shadow();
    options_.show("shadow",
                  std::min(1.0, static_cast<double>(seen.num_dialogues()) /
                                    static_cast<double>(wanted)));
  }
  GateVerdict verdict =
      DecideShadow(EvidenceOf(seen, wanted), ThresholdsOf(options_.gate));
  RLHF_RETURN_IF_ERROR(
      options_.registry->ClearAlias("shadow", {"gate", verdict.reason}));
  return verdict;
}

absl::StatusOr<GateVerdict> CandidateTrial::Canary(int64_t version) {
  const TransitionCause begins = {"gate", "rewards some updates, on trial"};
  RLHF_RETURN_IF_ERROR(options_.registry->SetAlias("canary", version, begins));
  const int64_t wanted = options_.gate.canary_updates();
  UpdateCounter updates(options_.run_directory, version);
  RLHF_ASSIGN_OR_RETURN(CanaryEvidence seen, updates.Count());
  // What it could not score before a restart still ends the trial.
  seen.scoring_error = ScoringError(version);
  const int64_t before = seen.num_updates_in_all;
  // Ten times as many as it takes on average.
  const auto patience = static_cast<int64_t>(std::ceil(
      10 * static_cast<double>(wanted) / options_.gate.canary_share()));
  while (seen.num_updates < wanted && seen.num_left_out == 0 &&
         seen.scoring_error.empty() &&
         seen.num_updates_in_all - before < patience) {
    if (WaitForShutdown(kPollInterval)) return Cancelled();
    RLHF_ASSIGN_OR_RETURN(seen, updates.Count());
    seen.scoring_error = ScoringError(version);
    options_.show("canary",
                  std::min(1.0, static_cast<double>(seen.num_updates) /
                                    static_cast<double>(wanted)));
  }
  seen.num_wanted = wanted;
  return DecideCanary(seen);
}

std::string CandidateTrial::ScoringError(int64_t version) const {
  const auto status = options_.rewards->GetStatus(absl::Seconds(2));
  return status.ok() && status->canary().version() == version
             ? status->canary_error()
             : "";
}

}  // namespace rlhf
