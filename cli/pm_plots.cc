#include "cli/pm_plots.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/comparisons/elo.h"
#include "trainer/preference/calibration.h"

namespace rlhf {
namespace {

// The least-squares line through the points, from the first x to the last; no
// points if it is not determined.
PlotSeries LineThrough(const std::vector<PlotPoint>& points, int color) {
  PlotSeries line = {.kind = PlotSeries::Kind::kLine, .color = color};
  double mean_x = 0, mean_y = 0, variance = 0, covariance = 0;
  const auto count = static_cast<double>(points.size());
  for (const PlotPoint& p : points) {
    mean_x += p.x / count;
    mean_y += p.y / count;
  }
  for (const PlotPoint& p : points) {
    variance += (p.x - mean_x) * (p.x - mean_x);
    covariance += (p.x - mean_x) * (p.y - mean_y);
  }
  if (points.size() < 3 || variance <= 0) return line;
  const auto [first, last] = std::minmax_element(
      points.begin(), points.end(),
      [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
  for (const double x : {first->x, last->x}) {
    line.points.push_back({x, mean_y + covariance / variance * (x - mean_x)});
  }
  return line;
}

constexpr size_t kMostWorkers = 20;
constexpr int kMostTicks = 6;

// A bar for a share that JSON gives as {KEY, KEY_95}, below those there are.
void AddBar(const std::string& name, const Json& share, const std::string& key,
            Plot& plot) {
  const Json& interval = share[key + "_95"];
  plot.series[0].points.push_back(
      {.x = share.value(key, 0.0),
       .y = static_cast<double>(plot.y_categories.size()),
       .low = interval[0].get<double>(),
       .high = interval[1].get<double>()});
  plot.y_categories.push_back(name);
}

Plot BarsOfShares(const std::string& title, const std::string& x_title) {
  return {.title = title,
          .x_title = x_title,
          .series = {{.kind = PlotSeries::Kind::kHorizontalBars}},
          .x_range = AxisRange{0, 1}};
}

}  // namespace

std::vector<PlotMark> PmMarks(const std::vector<v1::UpdateReport>& updates) {
  std::vector<PlotMark> marks;
  int64_t pm = 0;
  for (const v1::UpdateReport& update : updates) {
    if (update.pm().version() == pm) continue;
    pm = update.pm().version();
    marks.push_back(
        {static_cast<double>(update.update()), absl::StrCat("PM v", pm)});
  }
  return marks;
}

Plot RewardPlot(const std::vector<v1::UpdateReport>& updates) {
  Plot plot = {.title = "Reward by update",
               .x_title = "update",
               .y_title = "anchored score"};
  plot.marks = PmMarks(updates);
  PlotSeries reward = {.name = "reward", .kind = PlotSeries::Kind::kLine};
  std::map<std::string, PlotSeries> members;
  for (const v1::UpdateReport& update : updates) {
    const auto x = static_cast<double>(update.update());
    reward.points.push_back({x, update.reward_anchored_mean()});
    for (const v1::MemberReport& member : update.members()) {
      PlotSeries& series = members[member.member()];
      series.name = member.member();
      series.kind = PlotSeries::Kind::kLine;
      series.points.push_back({x, member.anchored_mean()});
    }
  }
  plot.series.push_back(std::move(reward));
  for (auto& [name, series] : members) plot.series.push_back(std::move(series));
  return plot;
}

Plot SqrtKlPlot(const std::vector<v1::UpdateReport>& updates) {
  Plot plot = {.title = "Reward against the square root of KL",
               .x_title = "square root of KL(policy, reference), nats",
               .y_title = "anchored reward"};
  std::map<int64_t, std::vector<PlotPoint>> by_pm;
  for (const v1::UpdateReport& update : updates) {
    std::vector<PlotPoint>& points = by_pm[update.pm().version()];
    const double kl = update.kl_k1_nats_per_sequence();
    // k1 can be below zero, which says no more than that it is small.
    const PlotPoint point = {kl < 0 ? 0 : std::sqrt(kl),
                             update.reward_anchored_mean()};
    if (IsPlottable(point.x) && IsPlottable(point.y)) points.push_back(point);
  }
  int color = 0;
  for (auto& [pm, points] : by_pm) {
    plot.series.push_back(LineThrough(points, color));
    plot.series.push_back({.name = absl::StrCat("PM v", pm),
                           .points = std::move(points),
                           .color = color++});
  }
  return plot;
}

Plot CalibrationPlot(const std::string& title, const Json& held_out) {
  Plot plot = {.title = title,
               .x_title = "how sure the PM is of its preference",
               .y_title = "share of pairs in which people prefer the same",
               .x_range = AxisRange{0.5, 1},
               .y_range = AxisRange{0, 1}};
  PlotSeries found = {.name = "held-out comparisons"};
  for (const Json& bin : held_out.value("calibration", Json::array())) {
    const double pairs = bin.value("num_pairs", 0.0);
    if (pairs == 0) continue;
    const double accuracy = bin.value("accuracy", 0.0);
    const Interval interval = WilsonInterval(accuracy * pairs, pairs);
    found.points.push_back(
        {bin.value("confidence", 0.0), accuracy, interval.low, interval.high});
  }
  plot.series.push_back(std::move(found));
  plot.series.push_back({.name = "perfectly calibrated",
                         .kind = PlotSeries::Kind::kLine,
                         .points = {{0.5, 0.5}, {1, 1}},
                         .reference = true});
  return plot;
}

Plot SlicePlot(const std::string& title, const Json& held_out) {
  Plot plot = BarsOfShares(title, "accuracy on the held-out comparisons");
  if (held_out.value("num_pairs", 0) == 0) return plot;
  AddBar("all", held_out, "accuracy", plot);
  const Json slices = held_out.value("slices", Json::object());
  for (const auto& [name, values] : slices.items()) {
    for (const auto& [value, slice] : values.items()) {
      AddBar(absl::StrCat(name, " ", value), slice, "accuracy", plot);
    }
  }
  return plot;
}

Plot AgreementPlot(const std::string& title, const Json& held_out) {
  Plot plot = BarsOfShares(title, "share of pairs on which both choose alike");
  const Json found = held_out.value("agreement", Json::object());
  if (found.empty()) return plot;
  const auto add = [&](const std::string& name, const Json& share) {
    if (share.value("compared", 0) > 0) AddBar(name, share, "share", plot);
  };
  add("workers on the same pairs", found["among_workers"]);
  add("PM and them on these", found["pm_on_shared_pairs"]);
  add("PM and all workers", found["pm_with_workers"]);
  const Json& workers = found["workers"];
  for (size_t i = 0; i < std::min(workers.size(), kMostWorkers); ++i) {
    add(absl::StrCat("PM and ", workers[i].value("worker", "")),
        workers[i]["with_pm"]);
  }
  const double paper = found.value("paper_researcher_crowdworker", 0.0);
  plot.marks.push_back(
      {paper, absl::StrFormat("Bai et al.: %.0f %%", 100 * paper)});
  return plot;
}

Plot ScorePlot(const std::string& title, const Json& held_out) {
  Plot plot = {.title = title,
               .x_title = "PM score, log-odds",
               .y_title = "share of the responses"};
  const Json found = held_out.value("scores", Json::object());
  const auto edges = found.value("edges", std::vector<double>());
  for (const Json& one : found.value("tranches", Json::array())) {
    PlotSeries series = {.name = one.value("tranche", ""),
                         .kind = PlotSeries::Kind::kLine};
    const auto counts = one.value("counts", std::vector<double>());
    const double responses = 2 * one.value("num_pairs", 0.0);
    for (size_t i = 0; i < counts.size() && i + 1 < edges.size(); ++i) {
      series.points.push_back(
          {(edges[i] + edges[i + 1]) / 2, counts[i] / responses});
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Plot TranchePlot(const std::string& title, const Json& held_out) {
  Plot plot = {.title = title,
               .x_title = "tranche",
               .y_title = "mean score above the first, in Elo",
               .series = {PlotSeries()},
               .right_title = "win rate against the first"};
  ValueSpan span;
  const auto elo_of = [](const Json& gap) {
    return gap.is_object() ? gap.value("elo", 0.0)
                           : std::numeric_limits<double>::quiet_NaN();
  };
  const Json found = held_out.value("scores", Json::object());
  for (const Json& one : found.value("tranches", Json::array())) {
    const PlotPoint point = {static_cast<double>(plot.x_categories.size()),
                             elo_of(one["above_first"]),
                             elo_of(one["above_first_low"]),
                             elo_of(one["above_first_high"])};
    for (const double value : {point.y, point.low, point.high}) {
      span.Add(value);
    }
    plot.series[0].points.push_back(point);
    plot.x_categories.push_back(one.value("tranche", ""));
  }
  plot.y_range = span.Range(/*from_zero=*/false);
  for (const double elo : NiceTicks(*plot.y_range, kMostTicks)) {
    plot.right_ticks.push_back(
        {elo, absl::StrFormat("%.0f %%", 100 * WinRateFromElo(elo))});
  }
  return plot;
}

}  // namespace rlhf
