#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/human_format.h"
#include "cli/report/sections.h"
#include "core/config/run_config.h"

namespace rlhf {
namespace {

Plot PhasePlot(const v1::Report& report) {
  Plot plot = {.title = "Where the time went",
               .x_title = "seconds",
               .series = {{.kind = PlotSeries::Kind::kHorizontalBars}}};
  for (const v1::PhaseTime& phase : report.phases()) {
    plot.series[0].points.push_back(
        {phase.seconds(), static_cast<double>(plot.y_categories.size())});
    plot.y_categories.push_back(
        absl::StrReplaceAll(phase.phase(), {{"_", " "}}));
  }
  return plot;
}

std::string ProcessTable(const v1::Report& report) {
  if (report.processes().empty()) {
    return Missing("Memory: told once a session of `rlhf up` has ended.");
  }
  HtmlTable table = {
      .columns = {{"process"}, {"peak memory", true}, {"restarts", true}}};
  for (const v1::ProcessReport& process : report.processes()) {
    table.rows.push_back({{process.role(), HumanBytes(process.peak_rss_bytes()),
                           absl::StrCat(process.num_restarts())}});
  }
  return ToHtml(table);
}

// Models and data, by what names them for good.
HtmlTable DigestTable(const v1::Report& report) {
  HtmlTable table = {.columns = {{"what"}, {"version"}, {"digest"}}};
  for (const v1::PmReport& pm : report.pms()) {
    table.rows.push_back(
        {{"preference model", absl::StrCat("v", pm.pm().version()),
          pm.pm().digest()}});
  }
  if (!report.pms().empty()) {
    const v1::DataSnapshot& data = report.pms().rbegin()->data();
    table.rows.push_back(
        {{"comparisons of the newest PM",
          absl::StrCat("the first ", data.last_seq()), data.chain_head()}});
  }
  if (!report.updates().empty()) {
    const v1::UpdateReport& last = *report.updates().rbegin();
    table.rows.push_back(
        {{"policy's weights (xxh3)", absl::StrCat("v", last.policy_version()),
          last.parameter_hash()}});
  }
  return table;
}

}  // namespace

ReportSection CostSection(const ReportData& data) {
  const bool has_phases = !data.report.updates().empty();
  std::vector<std::string> figures;
  if (has_phases) {
    figures.push_back(Figure(
        PhasePlot(data.report),
        "By phase of the learner. PMs are trained beside it, so that bars may "
        "add up to more than the run took."));
  }
  figures.push_back(ProcessTable(data.report));
  return {"cost", "Time and memory",
          (has_phases ? "" : Missing("Time: no update is finished yet.")) +
              Figures(figures)};
}

ReportSection ConfigSection(const ReportData& data) {
  // A page goes from hand to hand.
  v1::RunConfig shown = data.config;
  if (!shown.feedback().database().empty()) {
    shown.mutable_feedback()->set_database("not shown: may hold a password");
  }
  std::string differs;
  for (const std::string& line : DiffConfigs(v1::RunConfig(), shown)) {
    absl::StrAppend(&differs, line, "\n");
  }
  return {
      "configuration", "Configuration",
      Paragraph("What differs from the defaults:") +
          Preformatted(differs.empty() ? "nothing" : differs) +
          Foldout("The whole configuration, resolved", ResolvedText(shown))};
}

ReportSection VersionSection(const ReportData& data) {
  const HtmlTable table = DigestTable(data.report);
  return {"versions", "Versions",
          Paragraph("This report was made by:") + Preformatted(data.versions) +
              (table.rows.empty() ? Missing("Models: none has been made yet.")
                                  : ToHtml(table))};
}

}  // namespace rlhf
