#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/report/sections.h"

namespace rlhf {
namespace {

std::string Percent(int64_t part, int64_t whole) {
  return absl::StrFormat(
      "%.1f %%", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string ShareCell(const ShareEstimate& share) {
  if (share.count == 0) return "–";
  return absl::StrFormat("%.2f [%.2f, %.2f]", share.share, share.low,
                         share.high);
}

HtmlCell TestCell(const ReportedWorker& worker) {
  if (worker.word.paused) {
    return {absl::StrCat("paused by ",
                         worker.word.by.empty() ? "a person" : worker.word.by,
                         worker.word.reason.empty() ? "" : ": ",
                         worker.word.reason),
            "bad"};
  }
  switch (worker.view.verdict) {
    case WorkerVerdict::kGood:
      return {"good", "good"};
    case WorkerVerdict::kPaused:
      return {"paused", "bad"};
    case WorkerVerdict::kUndecided:
      break;
  }
  return {"undecided"};
}

HtmlRow WorkerRow(const ReportedWorker& worker, int64_t all) {
  const WorkerView& view = worker.view;
  return {{view.worker_id, absl::StrCat(view.num_answers),
           Percent(view.num_answers, std::max<int64_t>(1, all)),
           absl::StrCat(view.num_gold_right, " of ", view.num_gold),
           view.agreement.has_value() ? absl::StrFormat("%.2f", *view.agreement)
                                      : std::string("–"),
           ShareCell(view.left), ShareCell(view.longer),
           view.median_seconds.has_value()
               ? absl::StrFormat("%.1f s", *view.median_seconds)
               : std::string("–"),
           TestCell(worker)}};
}

std::string AgreementText(const AgreementView& agreement) {
  if (!agreement.alpha.has_value()) {
    return Missing(
        "Agreement: no two workers answered the same task (feedback.overlap).");
  }
  return Paragraph(absl::StrCat(
      "Workers agree with Krippendorff's alpha ",
      absl::StrFormat("%.2f", *agreement.alpha),
      agreement.kappa.has_value()
          ? absl::StrFormat(" and Fleiss' kappa %.2f", *agreement.kappa)
          : "",
      absl::StrFormat(", by %d pairs of answers to the same task.",
                      agreement.num_pairs)));
}

}  // namespace

ReportSection WorkerSection(const ReportData& data) {
  ReportSection section = {"workers", "Workers", ""};
  if (!data.people.ok() || data.people->workers.empty()) {
    section.html = Missing(
        data.people.ok()
            ? std::string("Workers: nobody has answered a task of this run.")
            : absl::StrCat("Workers: ", data.people.status().message()));
    return section;
  }
  int64_t all = 0;
  for (const ReportedWorker& worker : data.people->workers) {
    all += worker.view.num_answers;
  }
  HtmlTable table = {.columns = {{"worker"},
                                 {"answers", true},
                                 {"share", true},
                                 {"gold right", true},
                                 {"agrees", true},
                                 {"picks the left"},
                                 {"picks the longer"},
                                 {"median time", true},
                                 {"test"}}};
  for (const ReportedWorker& worker : data.people->workers) {
    table.rows.push_back(WorkerRow(worker, all));
  }
  section.html =
      ToHtml(table) +
      Paragraph(
          "Shares have 95 % intervals. Sides fall by a coin: an interval "
          "of the left side without 0.5 is a habit. How workers are "
          "tested: docs/workers.md.") +
      AgreementText(data.people->agreement);
  return section;
}

}  // namespace rlhf
