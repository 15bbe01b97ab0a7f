#include "cli/report/page.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "cli/human_format.h"
#include "cli/report/page_style.h"
#include "cli/report/sections.h"
#include "cli/xml_text.h"

namespace rlhf {
namespace {

// A figure that a reader looks for first.
std::string Tile(absl::string_view name, absl::string_view value,
                 absl::string_view remark) {
  return absl::StrCat("<div class=\"tile\"><div class=\"label\">",
                      EscapeXml(name), "</div><div class=\"value\">",
                      EscapeXml(value), "</div><div class=\"small\">",
                      EscapeXml(remark), "</div></div>\n");
}

std::string PolicyTiles(const v1::Report& report) {
  if (report.updates().empty()) return "";
  const v1::UpdateReport& last = *report.updates().rbegin();
  return Tile("anchored reward",
              absl::StrFormat("%+.2f", last.reward_anchored_mean()),
              "deviations above the start") +
         Tile("KL", absl::StrFormat("%.1f", last.kl_k1_nats_per_sequence()),
              "nats per answer, from the start");
}

std::string GoldTile(const v1::Report& report) {
  if (!report.has_gold()) return "";
  const v1::GoldEvaluation& gold = report.gold();
  return Tile(
      "gold win rate", absl::StrFormat("%.1f %%", 100 * gold.win_rate()),
      absl::StrFormat("95 %% interval %.1f to %.1f", 100 * gold.win_rate_low(),
                      100 * gold.win_rate_high()));
}

std::string PmTile(const v1::Report& report) {
  int64_t promoted = 0;
  for (const v1::PmReport& pm : report.pms()) promoted += pm.promoted();
  return Tile("preference models", absl::StrCat(report.pms_size()),
              absl::StrFormat("%d promoted, %d refused", promoted,
                              report.pms_size() - promoted));
}

std::string Tiles(const ReportData& data) {
  const v1::Report& report = data.report;
  const int64_t num_comparisons = data.people.ok()
                                      ? data.people->num_comparisons
                                      : report.num_comparisons();
  return absl::StrCat(
      "<div class=\"tiles\">\n",
      Tile("updates", absl::StrCat(report.updates_size()),
           absl::StrCat("of ", data.config.ppo().num_updates())),
      GoldTile(report), PolicyTiles(report), PmTile(report),
      Tile("comparisons", absl::StrCat(num_comparisons),
           data.people.ok()
               ? absl::StrCat("of ", data.people->workers.size(), " workers")
               : "in the log"),
      Tile(
          "time",
          report.wall_seconds() > 0 ? HumanSeconds(report.wall_seconds()) : "–",
          "in all sessions that ended"),
      "</div>\n");
}

std::string Navigation(const std::vector<ReportSection>& sections) {
  std::string html = "<nav>";
  for (const ReportSection& section : sections) {
    absl::StrAppend(&html, "<a href=\"#", section.id, "\">",
                    EscapeXml(section.title), "</a>\n");
  }
  return absl::StrCat(html, "</nav>\n");
}

// "2026-11-27T23:30:04.499784426+00:00" as people read it.
std::string ShortTime(const std::string& written) {
  absl::Time time;
  return absl::ParseTime(absl::RFC3339_full, written, &time, nullptr)
             ? absl::FormatTime("%Y-%m-%d %H:%M", time, absl::UTCTimeZone())
             : written;
}

std::string Header(const ReportData& data) {
  const v1::Report& report = data.report;
  const std::string when =
      report.started().empty()
          ? "no session has ended yet"
          : absl::StrCat(ShortTime(report.started()), " to ",
                         ShortTime(report.finished()), " UTC");
  return absl::StrCat(
      "<header><div class=\"label\">rlhf report</div>\n<h1>",
      EscapeXml(data.config.name()), "</h1>\n<p class=\"small\">",
      EscapeXml(when), " · from ", EscapeXml(data.config.initial_policy()),
      " · report made ",
      absl::FormatTime("%Y-%m-%d %H:%M", data.made_at, absl::UTCTimeZone()),
      " UTC</p></header>\n");
}

std::vector<ReportSection> SectionsOf(const ReportData& data) {
  return {PolicySection(data), PmSection(data),         EloSection(data),
          SampleSection(data), ComparisonSection(data), WorkerSection(data),
          OrderSection(data),  FaultSection(data),      CostSection(data),
          ConfigSection(data), VersionSection(data)};
}

}  // namespace

std::string ReportPage(const ReportData& data) {
  const std::vector<ReportSection> sections = SectionsOf(data);
  std::string html = absl::StrCat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
      "'none'; style-src 'unsafe-inline'\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-"
      "scheme\" content=\"light dark\">\n<title>",
      EscapeXml(data.config.name()), " · rlhf report</title>\n<style>\n",
      PageStyle(), "</style>\n</head>\n<body>\n", Header(data), Tiles(data),
      Navigation(sections), "<main>\n");
  for (const ReportSection& section : sections) {
    absl::StrAppend(&html, "<section id=\"", section.id, "\">\n<h2>",
                    EscapeXml(section.title), "</h2>\n", section.html,
                    "</section>\n");
  }
  return absl::StrCat(html, "</main>\n</body>\n</html>\n");
}

}  // namespace rlhf
