// elo: ratings of a run's policies, from who was preferred to whom.
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/comparison_log.h"
#include "cli/config_flag.h"
#include "cli/elo_report.h"
#include "cli/pm_judge.h"
#include "cli/policy_games.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "core/comparisons/parse_comparisons.h"

namespace rlhf {
namespace {

using Take = std::function<absl::Status(const v1::Comparison&)>;

// Shows each comparison of `paths` to `take` once.
absl::Status ReadFiles(const std::vector<std::string>& paths,
                       IgnoredComparisons& ignored, const Take& take) {
  std::set<std::string> seen;
  for (const std::string& path : paths) {
    RLHF_ASSIGN_OR_RETURN(const ParsedComparisons parsed,
                          ReadComparisons(path));
    ignored.no_preference += static_cast<int64_t>(parsed.refused.size());
    for (const v1::Comparison& comparison : parsed.comparisons) {
      if (seen.insert(comparison.comparison_id()).second) {
        RLHF_RETURN_IF_ERROR(take(comparison));
      } else {
        ++ignored.duplicates;
      }
    }
  }
  return absl::OkStatus();
}

// Shows all comparisons that are asked for to `take`.
absl::Status ForEach(const Flags& flags, IgnoredComparisons& ignored,
                     const Take& take) {
  const bool from_files = !flags.positional().empty();
  if (from_files == !flags.String("config").empty()) {
    return absl::InvalidArgumentError(
        "wanted: --config C (a run's comparisons) or FILE... (what `rlhf "
        "feedback import` reads), not both");
  }
  if (from_files) return ReadFiles(flags.positional(), ignored, take);
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  RLHF_ASSIGN_OR_RETURN(const auto log, ComparisonLog::Open(config));
  return log->ForEach(take);
}

absl::Status CheckZero(const PolicyGames& games, int64_t zero) {
  if (games.versions.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no comparison is between two known policy versions (",
        games.ignored.one_version, " are of one version with itself, ",
        games.ignored.unknown_version,
        " of an unknown version); there is nothing to rate"));
  }
  if (games.versions.contains(zero)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--zero=", zero, ": ", PolicyName(zero),
      " is in no comparison with another version; those that are: ",
      absl::StrJoin(games.versions, ", ")));
}

// The comparisons that people decided, decided again by a PM (Bai et al. 2022,
// B.4, Fig. 35 c).
absl::StatusOr<EloColumn> RateByPm(const PolicyGames& games, int64_t zero,
                                   const std::string& directory) {
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<GoldJudge> pm,
                        MakeGoldJudge(directory));
  EloColumn column = {.judge = "PM choices"};
  std::vector<EloGame> played;
  for (const v1::Comparison& comparison : games.comparisons) {
    if (!IsDecided(comparison)) {
      played.push_back(GameOf(comparison, true, /*unsure=*/true));
      continue;
    }
    const auto scores = pm->Judge(comparison.prompt(), comparison.response_a(),
                                  comparison.response_b());
    if (!scores.ok() && !absl::IsInvalidArgument(scores.status())) {
      return scores.status();
    }
    const bool equal = scores.ok() && scores->left == scores->right;
    column.num_unreadable += !scores.ok();
    column.num_equal += equal;
    played.push_back(GameOf(comparison,
                            scores.ok() && scores->left > scores->right,
                            !scores.ok() || equal));
  }
  RLHF_ASSIGN_OR_RETURN(column.fit, FitElo(played, PolicyName(zero)));
  return column;
}

// Directories of the PMs that judge; "" are the people.
absl::StatusOr<std::vector<std::string>> JudgesOf(const Flags& flags) {
  const std::string& by = flags.String("by");
  absl::string_view directory = by;
  const bool by_pm = absl::ConsumePrefix(&directory, "pm:");
  if (by_pm ? directory.empty() : by != "crowd") {
    return absl::InvalidArgumentError(
        absl::StrCat("--by=", by, ": wanted crowd or pm:DIR"));
  }
  std::vector<std::string> judges = {by_pm ? std::string(directory) : ""};
  if (!flags.String("model").empty()) judges.push_back(flags.String("model"));
  return judges;
}

// "000002" of "registry/pm/000002/".
std::string LastPart(absl::string_view path) {
  while (absl::ConsumeSuffix(&path, "/")) {
  }
  return std::string(path.substr(path.rfind('/') + 1));
}

absl::StatusOr<std::vector<EloColumn>> Rate(
    const PolicyGames& games, int64_t zero,
    const std::vector<std::string>& judges) {
  std::vector<EloColumn> columns;
  for (const std::string& judge : judges) {
    RLHF_ASSIGN_OR_RETURN(columns.emplace_back(),
                          judge.empty() ? RateByPeople(games, zero)
                                        : RateByPm(games, zero, judge));
    if (judges.size() == 2 && !judges[0].empty()) {
      columns.back().judge = absl::StrCat("PM ", LastPart(judge));
    }
  }
  return columns;
}

}  // namespace

absl::Status EloVerb(const Flags& flags) {
  const int64_t zero = flags.Int("zero");
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> judges, JudgesOf(flags));
  const bool by_pms = judges != std::vector<std::string>{""};
  PolicyGames games;
  RLHF_RETURN_IF_ERROR(
      ForEach(flags, games.ignored, [&](const v1::Comparison& comparison) {
        AddGame(comparison, by_pms, games);
        return absl::OkStatus();
      }));
  RLHF_RETURN_IF_ERROR(CheckZero(games, zero));
  EloReport report = {
      .zero_version = zero,
      .versions = {games.versions.begin(), games.versions.end()},
      .ignored = games.ignored};
  RLHF_ASSIGN_OR_RETURN(report.columns, Rate(games, zero, judges));
  if (!flags.String("svg").empty()) {
    RLHF_RETURN_IF_ERROR(
        WriteFileAtomically(flags.String("svg"), RenderSvg(ToPlot(report))));
  }
  std::cout << (flags.Bool("json") ? DumpJson(ToJson(report)) + "\n"
                                   : ToTable(report));
  return absl::OkStatus();
}

}  // namespace rlhf
