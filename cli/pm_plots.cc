#include "cli/pm_plots.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
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

}  // namespace

Plot RewardPlot(const std::vector<v1::UpdateReport>& updates) {
  Plot plot = {.title = "Reward by update",
               .x_title = "update",
               .y_title = "anchored score"};
  PlotSeries reward = {.name = "reward", .kind = PlotSeries::Kind::kLine};
  std::map<std::string, PlotSeries> members;
  int64_t pm = 0;
  for (const v1::UpdateReport& update : updates) {
    const auto x = static_cast<double>(update.update());
    if (update.pm().version() != pm) {
      pm = update.pm().version();
      plot.marks.push_back({x, absl::StrCat("PM v", pm)});
    }
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
    // k1 can be below zero, which says no more than that it is small.
    by_pm[update.pm().version()].push_back(
        {std::sqrt(std::max(0.0, update.kl_k1_nats_per_sequence())),
         update.reward_anchored_mean()});
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

}  // namespace rlhf
