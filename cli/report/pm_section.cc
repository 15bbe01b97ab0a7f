#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/pm_plots.h"
#include "cli/report/sections.h"
#include "cli/report/serving_changes.h"

namespace rlhf {
namespace {

// Why, in the gate's words: what a refused one did not pass, else its verdict.
std::string ReasonsOf(const v1::PmReport& pm) {
  std::vector<std::string> failed;
  for (const v1::GateCheck& check : pm.checks()) {
    if (!check.passed()) {
      failed.push_back(absl::StrCat(check.name(), ": ", check.detail()));
    }
  }
  return failed.empty() ? pm.verdict() : absl::StrJoin(failed, "; ");
}

std::string GateTable(const v1::Report& report) {
  HtmlTable table = {.columns = {{"PM"},
                                 {"gate"},
                                 {"comparisons", true},
                                 {"pairs", true},
                                 {"held-out accuracy"},
                                 {"incumbent", true},
                                 {"loss, nats", true}}};
  for (const v1::PmReport& pm : report.pms()) {
    table.rows.push_back(
        {.cells =
             {absl::StrCat("v", pm.pm().version()),
              pm.promoted() ? HtmlCell(absl::StrCat("promoted at update ",
                                                    pm.promoted_at_update()),
                                       "good")
                            : HtmlCell("refused", "bad"),
              absl::StrCat(pm.data().last_seq()), absl::StrCat(pm.num_train()),
              absl::StrFormat("%.3f [%.3f, %.3f] on %d", pm.held_out_accuracy(),
                              pm.held_out_accuracy_low(),
                              pm.held_out_accuracy_high(), pm.num_held_out()),
              pm.has_incumbent_accuracy()
                  ? absl::StrFormat("%.3f", pm.incumbent_accuracy())
                  : std::string("none"),
              absl::StrFormat("%.3f", pm.held_out_loss())},
         .remark = ReasonsOf(pm)});
  }
  return ToHtml(table);
}

Plot AccuracyPlot(const v1::Report& report) {
  Plot plot = {.title = "Held-out accuracy",
               .x_title = "PM",
               .y_title = "share of pairs",
               .series = {PlotSeries()},
               .y_range = AxisRange{0, 1}};
  for (const v1::PmReport& pm : report.pms()) {
    plot.series[0].points.push_back(
        {.x = static_cast<double>(plot.x_categories.size()),
         .y = pm.held_out_accuracy(),
         .low = pm.held_out_accuracy_low(),
         .high = pm.held_out_accuracy_high()});
    plot.x_categories.push_back(absl::StrCat("v", pm.pm().version()));
  }
  return plot;
}

// The newest promoted PM whose card holds a measurement; else the newest such.
int64_t MeasuredVersion(const ReportData& data) {
  int64_t version = data.held_out.rbegin()->first;
  for (const v1::PmReport& pm : data.report.pms()) {
    if (pm.promoted() && data.held_out.contains(pm.pm().version())) {
      version = pm.pm().version();
    }
  }
  return version;
}

// A figure of what a PM's card holds under `key`.
struct CardFigure {
  const char* key;
  const char* name;
  Plot (*plot)(const std::string& title, const Json& held_out);
  const char* caption;
};

constexpr CardFigure kCardFigures[] = {
    {"calibration", "Calibration", CalibrationPlot,
     "Does the PM know what it knows? On the line, it is as often right as it "
     "is sure. Bars are 95 % intervals."},
    {"agreement", "Agreement", AgreementPlot,
     "How often workers and the PM choose alike, beside what the paper found "
     "between researchers and crowdworkers."},
    {"scores", "Scores", ScorePlot,
     "Of held-out answers, by the part of the log that they come from."}};

std::string Plots(const ReportData& data) {
  std::vector<std::string> figures = {
      Figure(AccuracyPlot(data.report),
             "Of each PM, on comparisons whose prompts it never saw, with 95 % "
             "intervals. A coin has 0.5.")};
  if (data.held_out.empty()) {
    return Figures(figures) +
           Missing("Calibration: no PM's card holds a measurement.");
  }
  const int64_t version = MeasuredVersion(data);
  const Json& held_out = data.held_out.at(version);
  std::string missing;
  for (const CardFigure& figure : kCardFigures) {
    if (!held_out.contains(figure.key)) {
      missing += Missing(absl::StrCat(figure.name, ": the card of PM v",
                                      version, " does not hold it."));
      continue;
    }
    figures.push_back(Figure(
        figure.plot(absl::StrCat(figure.name, " of PM v", version), held_out),
        figure.caption));
  }
  return Figures(figures) + missing;
}

std::string ServingTable(const ReportData& data) {
  if (!data.transitions.ok()) {
    return Missing(
        absl::StrCat("Who served when: ", data.transitions.status().message()));
  }
  const std::vector<ServingChange> changes = ServingChanges(*data.transitions);
  if (changes.empty()) return Missing("Who served when: no PM has served yet.");
  HtmlTable table = {.columns = {{"time (UTC)"}, {"serves"}, {"by"}, {"what"}}};
  for (const ServingChange& change : changes) {
    table.rows.push_back(
        {{absl::FormatTime("%Y-%m-%d %H:%M:%S", change.time,
                           absl::UTCTimeZone()),
          change.to == 0 ? std::string("none") : absl::StrCat("v", change.to),
          change.by,
          change.taken_back
              ? HtmlCell(absl::StrCat("v", change.from,
                                      " taken back: ", change.reason),
                         "bad")
              : HtmlCell(change.from == 0
                             ? std::string("the first")
                             : absl::StrCat("after v", change.from))}});
  }
  return Subheading("Who served when") + ToHtml(table);
}

}  // namespace

ReportSection PmSection(const ReportData& data) {
  ReportSection section = {"pms", "Preference models", ""};
  if (data.report.pms().empty()) {
    section.html = Missing("Gate: no PM has been trained yet.");
  } else {
    section.html = Subheading("The gate's verdicts") + GateTable(data.report) +
                   Plots(data);
  }
  section.html += ServingTable(data);
  return section;
}

}  // namespace rlhf
