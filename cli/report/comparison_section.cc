#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/report/sections.h"
#include "feedback/batch/batch_report.h"

namespace rlhf {
namespace {

std::string Time(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

// A unit of which a run of so many minutes has a handful or two.
std::pair<const char*, double> TimeUnit(int64_t minutes) {
  if (minutes < 180) return {"minutes", 1};
  if (minutes < 4 * 1440) return {"hours", 60};
  return {"days", 1440};
}

// The length of the log over time, with a mark where each PM's data ends.
Plot GrowthPlot(const People& people, const v1::Report& report) {
  const int64_t first = people.per_minute.begin()->first;
  const auto [unit, minutes] =
      TimeUnit(people.per_minute.rbegin()->first - first);
  Plot plot = {.title = "Comparisons over time",
               .x_title = absl::StrCat(unit, " since the first"),
               .y_title = "comparisons in the log"};
  PlotSeries series = {.kind = PlotSeries::Kind::kLine};
  int64_t total = 0;
  std::map<int64_t, double> pm_marks;
  for (const auto& [minute, count] : people.per_minute) {
    // Counted at the end of its minute.
    const double x = static_cast<double>(minute + 1 - first) / minutes;
    for (const v1::PmReport& pm : report.pms()) {
      const int64_t end = pm.data().last_seq();
      if (end > total && end <= total + count) pm_marks[pm.pm().version()] = x;
    }
    if (total == 0) series.points.push_back({0, 0});
    total += count;
    series.points.push_back({x, static_cast<double>(total)});
  }
  for (const auto& [version, x] : pm_marks) {
    plot.marks.push_back({x, absl::StrCat("PM v", version)});
  }
  plot.series.push_back(std::move(series));
  return plot;
}

Plot ChoicePlot(const People& people) {
  Plot plot = {.title = "What was said",
               .x_title = "comparisons",
               .series = {{.kind = PlotSeries::Kind::kHorizontalBars}}};
  const std::pair<v1::Choice, const char*> names[] = {
      {v1::A_BETTER, "the first is better"},
      {v1::B_BETTER, "the second is better"},
      {v1::TIE, "tie"},
      {v1::BOTH_BAD, "both bad"},
      {v1::SKIPPED, "skipped"}};
  for (const auto& [choice, name] : names) {
    const auto found = people.choices.find(choice);
    plot.series[0].points.push_back(
        {found == people.choices.end() ? 0 : static_cast<double>(found->second),
         static_cast<double>(plot.y_categories.size())});
    plot.y_categories.push_back(name);
  }
  return plot;
}

std::string BatchTable(const ReportData& data) {
  if (!data.batches.ok()) {
    return Missing(absl::StrCat("Batches: ", data.batches.status().message()));
  }
  if (data.batches->batches().empty()) {
    return Missing("Batches: none was imported.");
  }
  HtmlTable table = {.columns = {{"received (UTC)"},
                                 {"batch"},
                                 {"source"},
                                 {"verdict"},
                                 {"comparisons", true},
                                 {"taken back", true}}};
  for (const v1::BatchReport& batch : data.batches->batches()) {
    const std::string state = BatchStateWord(batch);
    const bool is_in = state == "accepted" || state == "released";
    table.rows.push_back(
        {.cells = {Time(batch.received_unix_ms()), batch.batch_id(),
                   batch.source(), HtmlCell(state, is_in ? "good" : "bad"),
                   absl::StrCat(batch.num_comparisons()),
                   absl::StrCat(batch.num_retracted())},
         .remark = batch.reason()});
  }
  return Subheading("Batches") + ToHtml(table) +
         (data.batches->has_more()
              ? Paragraph("Older ones: `rlhf feedback batches`.")
              : "");
}

// One retraction takes many comparisons back: those of one time, person and
// reason together.
std::string RetractionTable(const ReportData& data) {
  if (!data.retractions.ok()) {
    return Missing(
        absl::StrCat("Retractions: ", data.retractions.status().message()));
  }
  std::map<std::vector<std::string>, int64_t> groups;
  int64_t num_replaced = 0;
  for (const v1::Retraction& one : *data.retractions) {
    num_replaced += one.replaced_by() > 0;
    if (one.replaced_by() > 0) continue;
    ++groups[{Time(one.retracted_unix_ms()), one.who(), one.reason()}];
  }
  const std::string replaced =
      num_replaced == 0
          ? ""
          : Paragraph(absl::StrCat(num_replaced,
                                   " answers were replaced by a newer one of "
                                   "the same person."));
  if (groups.empty()) {
    return Missing("Retractions: nothing was taken back.") + replaced;
  }
  HtmlTable table = {
      .columns = {{"time (UTC)"}, {"by"}, {"why"}, {"records", true}}};
  for (const auto& [group, count] : groups) {
    table.rows.push_back({{group[0], group[1], group[2], absl::StrCat(count)}});
  }
  return Subheading("Retractions") + ToHtml(table) + replaced;
}

}  // namespace

ReportSection ComparisonSection(const ReportData& data) {
  ReportSection section = {"comparisons", "Comparisons", ""};
  if (!data.people.ok()) {
    section.html =
        Missing(absl::StrCat("Comparisons: ", data.people.status().message()));
    return section;
  }
  if (data.people->per_minute.empty()) {
    section.html = Missing("Comparisons: none has come yet.");
  } else {
    section.html = Figures(
        {Figure(GrowthPlot(*data.people, data.report),
                "The length of the log. A mark stands where the data of a PM "
                "ends, to the minute."),
         Figure(ChoicePlot(*data.people),
                "Only comparisons that find one answer better teach a PM. "
                "What was taken back is left out.")});
  }
  section.html += BatchTable(data) + RetractionTable(data);
  return section;
}

}  // namespace rlhf
