#include "cli/elo_report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/comparisons/elo.h"

namespace rlhf {
namespace {

using Placement = EloPlacement;

// Horizontal distance of the columns' points of one version, in slots.
constexpr double kPointDistance = 0.16;
// As many as the plot has grid lines at most.
constexpr int kMostTicks = 7;

// The version's row; one without games if it is not there.
PlayerElo RowOf(const EloColumn& column, int64_t version) {
  const std::string name = PolicyName(version);
  for (const PlayerElo& player : column.fit.players) {
    if (player.player == name) return player;
  }
  return {.player = name};
}

std::string EloCell(const PlayerElo& player, bool is_zero) {
  if (is_zero) return "0";
  if (player.placement != Placement::kRated) {
    return PlacementName(player.placement);
  }
  return absl::StrFormat("%+.0f [%+.0f, %+.0f]", player.elo,
                         player.interval.low, player.interval.high);
}

std::string TableRow(const EloReport& report, int64_t version) {
  const PlayerElo first = RowOf(report.columns[0], version);
  const bool is_zero = version == report.zero_version;
  std::string row = absl::StrFormat(
      "%-11s %6d %6d  %-20s %9s", first.player, first.num_games, first.num_wins,
      EloCell(first, is_zero),
      first.placement == Placement::kRated
          ? absl::StrFormat("%.1f %%", 100 * WinRateFromElo(first.elo))
          : "");
  for (size_t i = 1; i < report.columns.size(); ++i) {
    const PlayerElo player = RowOf(report.columns[i], version);
    absl::StrAppendFormat(&row, "  %-20s", EloCell(player, is_zero));
  }
  row.erase(row.find_last_not_of(' ') + 1);
  return row + "\n";
}

std::string Explanation(Placement placement, const std::string& zero) {
  switch (placement) {
    case Placement::kRated:
      return "";
    case Placement::kAbove:
      return absl::StrCat("a chain of wins leads down to ", zero,
                          ", none leads back: the higher its Elo, the better "
                          "it fits");
    case Placement::kBelow:
      return absl::StrCat("a chain of wins leads up to it from ", zero,
                          ", none leads back: the lower its Elo, the better "
                          "it fits");
    case Placement::kUndetermined:
      return absl::StrCat("games connect it with ", zero,
                          ", but no chain of wins does, either way");
    case Placement::kUnconnected:
      break;
  }
  return absl::StrCat("no chain of games connects it with ", zero);
}

// Why some versions have no rating, a line for each reason that occurs.
std::string Explanations(const EloReport& report) {
  std::string text;
  for (const Placement placement :
       {Placement::kAbove, Placement::kBelow, Placement::kUndetermined,
        Placement::kUnconnected}) {
    const bool occurs =
        std::any_of(report.columns.begin(), report.columns.end(),
                    [&](const EloColumn& column) {
                      return std::any_of(column.fit.players.begin(),
                                         column.fit.players.end(),
                                         [&](const PlayerElo& player) {
                                           return player.placement == placement;
                                         });
                    });
    if (!occurs) continue;
    absl::StrAppend(&text, PlacementName(placement), ": ",
                    Explanation(placement, PolicyName(report.zero_version)),
                    "\n");
  }
  for (const EloColumn& column : report.columns) {
    // A lone one is told by its row.
    for (const std::vector<std::string>& group : column.fit.unconnected) {
      if (group.size() < 2) continue;
      absl::StrAppend(&text, "connected among themselves (", column.judge,
                      "): ", absl::StrJoin(group, ", "), "\n");
    }
  }
  return text;
}

std::vector<std::pair<const char*, int64_t>> CountsOf(
    const IgnoredComparisons& ignored) {
  return {{"ties", ignored.ties},
          {"both bad", ignored.both_bad},
          {"skipped", ignored.skipped},
          {"of one version with itself", ignored.one_version},
          {"of an unknown version", ignored.unknown_version},
          {"read before", ignored.duplicates},
          {"records that name no preference", ignored.no_preference}};
}

std::string WhatWasIgnored(const EloReport& report) {
  std::vector<std::string> parts;
  for (const auto& [what, count] : CountsOf(report.ignored)) {
    if (count > 0) parts.push_back(absl::StrCat(count, " ", what));
  }
  std::string text;
  if (!parts.empty()) {
    text = absl::StrCat("ignored: ", absl::StrJoin(parts, ", "), "\n");
  }
  for (const EloColumn& column : report.columns) {
    if (column.num_unreadable == 0 && column.num_equal == 0) continue;
    absl::StrAppend(&text, "ignored by ", column.judge, ": ",
                    column.num_unreadable,
                    " that it cannot read (too long, or not in its chat "
                    "format), ",
                    column.num_equal, " with equal scores\n");
  }
  return text;
}

Json ToJson(const PlayerElo& player, int64_t version) {
  Json json = {{"model", player.player},
               {"version", version},
               {"games", player.num_games},
               {"wins", player.num_wins},
               {"placement", PlacementName(player.placement)}};
  if (player.placement == Placement::kRated) {
    json["elo"] = player.elo;
    json["standard_error"] = player.standard_error;
    json["low"] = player.interval.low;
    json["high"] = player.interval.high;
    json["win_rate"] = WinRateFromElo(player.elo);
  }
  return json;
}

}  // namespace

std::string PolicyName(int64_t version) {
  return absl::StrCat("policy v", version);
}

std::string ToTable(const EloReport& report) {
  std::string text = absl::StrFormat(
      "Elo above %s [95 %% interval]; win rate against it, by Elo\n\n"
      "%-11s %6s %6s  %-20s %9s",
      PolicyName(report.zero_version), "model", "games", "wins",
      report.columns[0].judge, "win rate");
  for (size_t i = 1; i < report.columns.size(); ++i) {
    absl::StrAppend(&text, "  ", report.columns[i].judge);
  }
  absl::StrAppend(&text, "\n");
  for (const int64_t version : report.versions) {
    absl::StrAppend(&text, TableRow(report, version));
  }
  const std::string notes =
      absl::StrCat(Explanations(report), WhatWasIgnored(report));
  return notes.empty() ? text : absl::StrCat(text, "\n", notes);
}

Json ToJson(const EloReport& report) {
  Json columns = Json::array();
  for (const EloColumn& column : report.columns) {
    Json players = Json::array();
    for (const int64_t version : report.versions) {
      players.push_back(ToJson(RowOf(column, version), version));
    }
    columns.push_back({{"judge", column.judge},
                       {"games", column.fit.num_games},
                       {"unreadable", column.num_unreadable},
                       {"equal_scores", column.num_equal},
                       {"players", std::move(players)},
                       {"not_connected", column.fit.unconnected}});
  }
  const IgnoredComparisons& ignored = report.ignored;
  return {{"zero", PolicyName(report.zero_version)},
          {"ratings", std::move(columns)},
          {"ignored",
           {{"ties", ignored.ties},
            {"both_bad", ignored.both_bad},
            {"skipped", ignored.skipped},
            {"one_version", ignored.one_version},
            {"unknown_version", ignored.unknown_version},
            {"duplicates", ignored.duplicates},
            {"no_preference", ignored.no_preference}}}};
}

Plot ToPlot(const EloReport& report) {
  const std::string zero = PolicyName(report.zero_version);
  Plot plot = {.title = "Elo of policy versions",
               .x_title = "policy version",
               .y_title = absl::StrCat("Elo above ", zero),
               .right_title = absl::StrCat("win rate against ", zero)};
  ValueSpan span;
  const double middle = static_cast<double>(report.columns.size() - 1) / 2;
  for (const EloColumn& column : report.columns) {
    plot.series.push_back({.name = column.judge});
  }
  for (const int64_t version : report.versions) {
    const auto slot = static_cast<double>(plot.x_categories.size());
    bool any_rated = false;
    for (size_t i = 0; i < report.columns.size(); ++i) {
      const PlayerElo player = RowOf(report.columns[i], version);
      if (player.placement != Placement::kRated) continue;
      any_rated = true;
      span.Add(player.interval.low);
      span.Add(player.interval.high);
      plot.series[i].points.push_back(
          {.x = slot + kPointDistance * (static_cast<double>(i) - middle),
           .y = player.elo,
           .low = player.interval.low,
           .high = player.interval.high});
    }
    if (any_rated) plot.x_categories.push_back(absl::StrCat("v", version));
  }
  plot.y_range = span.Range(/*from_zero=*/false);
  for (const double elo : NiceTicks(*plot.y_range, kMostTicks)) {
    plot.right_ticks.push_back(
        {elo, absl::StrFormat("%.0f %%", 100 * WinRateFromElo(elo))});
  }
  return plot;
}

}  // namespace rlhf
