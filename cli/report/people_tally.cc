#include "cli/report/people_tally.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "core/comparisons/elo_games.h"

namespace rlhf {
namespace {

constexpr int64_t kMinuteMs = 60'000;

int64_t GapOf(const v1::Comparison& comparison) {
  return std::llabs(comparison.policy_version_a() -
                    comparison.policy_version_b());
}

absl::StatusOr<EloReport> Rate(const PolicyGames& games) {
  if (games.versions.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no comparison is between two known policy versions (",
        games.ignored.one_version, " are of one version with itself, ",
        games.ignored.unknown_version, " of an unknown version)"));
  }
  if (games.versions.size() > PeopleTally::kMostRated) {
    return absl::ResourceExhaustedError(absl::StrCat(
        games.versions.size(), " policy versions were compared; up to ",
        PeopleTally::kMostRated, " are rated here: use `rlhf elo`"));
  }
  EloReport report = {
      .zero_version = *games.versions.begin(),
      .versions = {games.versions.begin(), games.versions.end()},
      .ignored = games.ignored};
  RLHF_ASSIGN_OR_RETURN(report.columns.emplace_back(),
                        RateByPeople(games, report.zero_version));
  return report;
}

std::vector<ReportedWorker> WithWords(std::vector<WorkerView> views,
                                      const PersonsWords& words) {
  std::vector<ReportedWorker> workers;
  for (WorkerView& view : views) {
    const auto word = words.find(view.worker_id);
    workers.push_back(
        {.view = std::move(view),
         .word = word == words.end() ? PersonsWord() : word->second});
  }
  return workers;
}

}  // namespace

absl::StatusOr<PeopleTally> PeopleTally::Create(
    const v1::WorkerTestConfig& config, PersonsWords words) {
  RLHF_ASSIGN_OR_RETURN(const WorkerTestRule rule, MakeWorkerTestRule(config));
  return PeopleTally(rule, std::move(words));
}

PeopleTally::PeopleTally(const WorkerTestRule& rule, PersonsWords words)
    : words_(std::move(words)), ledger_(rule) {
  for (const auto& [worker, word] : words_) {
    if (!word.paused) ledger_.RestartTest(worker, word.seq);
  }
}

void PeopleTally::AddToFurthest(const v1::Comparison& comparison) {
  std::vector<v1::Comparison>& furthest = people_.furthest;
  const std::string& prompt = comparison.prompt().prompt_id();
  const auto known = std::find_if(furthest.begin(), furthest.end(),
                                  [&](const v1::Comparison& other) {
                                    return other.prompt().prompt_id() == prompt;
                                  });
  if (known != furthest.end()) {
    if (GapOf(*known) >= GapOf(comparison)) return;
    furthest.erase(known);
  }
  const auto place = std::find_if(furthest.begin(), furthest.end(),
                                  [&](const v1::Comparison& other) {
                                    return GapOf(other) < GapOf(comparison);
                                  });
  furthest.insert(place, comparison);
  if (furthest.size() > kMostFurthest) furthest.pop_back();
}

void PeopleTally::Add(const v1::Comparison& comparison) {
  ++people_.num_comparisons;
  people_.num_imported += IsImported(comparison);
  ++people_.per_minute[comparison.committed_unix_ms() / kMinuteMs];
  if (Counts(comparison)) ++people_.choices[comparison.choice()];
  ledger_.Add(comparison);
  AddGame(comparison, /*with_texts=*/false, games_);
  // In a red-team task the worse answer is picked.
  if (GameKindOf(comparison) == GameKind::kDecided && !IsGold(comparison) &&
      comparison.task_kind() == v1::HELPFUL) {
    AddToFurthest(comparison);
  }
}

People PeopleTally::Finish() {
  people_.workers = WithWords(ledger_.Workers(), words_);
  people_.agreement = ledger_.Agreement();
  people_.elo = Rate(games_);
  return std::move(people_);
}

}  // namespace rlhf
