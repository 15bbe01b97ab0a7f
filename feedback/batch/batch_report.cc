#include "feedback/batch/batch_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "core/base/proto_json.h"

namespace rlhf {
namespace {

v1::BatchVerdict ToProto(BatchVerdictKind kind) {
  switch (kind) {
    case BatchVerdictKind::kAccepted:
      return v1::BATCH_ACCEPTED;
    case BatchVerdictKind::kQuarantined:
      return v1::BATCH_QUARANTINED;
    case BatchVerdictKind::kRefused:
      break;
  }
  return v1::BATCH_REFUSED;
}

// What the numbers of stored comparisons mean for people.
std::string Headline(const v1::BatchReport& report) {
  if (report.has_retraction()) {
    return "nothing of it is in the log: it was taken back\n";
  }
  if (report.dry_run()) {
    return absl::StrCat("dry run: nothing was written; the batch would be ",
                        BatchStateWord(report), "\n");
  }
  if (report.verdict() == v1::BATCH_ACCEPTED || report.decision().released()) {
    return absl::StrCat(report.accepted(), " comparisons accepted, ",
                        report.duplicates(), " were there before, ",
                        report.refused_size(), " refused\n");
  }
  if (report.verdict() == v1::BATCH_QUARANTINED && !report.has_decision()) {
    return absl::StrCat(
        report.num_comparisons(),
        " comparisons wait for a person: rlhf feedback release|refuse ",
        report.batch_id(), " --by NAME --reason WHY\n");
  }
  return "nothing was imported\n";
}

}  // namespace

void SetVerdict(const BatchVerdict& verdict, v1::BatchReport& report) {
  report.set_verdict(ToProto(verdict.kind));
  report.set_reason(verdict.reason);
  for (const BatchFinding& finding : verdict.findings) {
    v1::BatchReportFinding* const added = report.add_findings();
    added->set_check(finding.check);
    added->set_passed(finding.passed);
    added->set_detail(finding.detail);
  }
}

std::string BatchReportJson(const v1::BatchReport& report) {
  return ProtoToJsonLine(report);
}

absl::StatusOr<v1::BatchReport> ReportOf(const Batch& batch) {
  v1::BatchReport report;
  const absl::Status parsed = JsonToProto(batch.report, &report);
  if (!parsed.ok()) {
    return absl::DataLossError(
        absl::StrCat("the report of batch ", batch.batch_id,
                     " cannot be read: ", parsed.message()));
  }
  return report;
}

BatchState StateOf(const v1::BatchReport& report) {
  if (report.has_decision()) {
    return report.decision().released() ? BatchState::kReleased
                                        : BatchState::kRefused;
  }
  switch (report.verdict()) {
    case v1::BATCH_ACCEPTED:
      return BatchState::kAccepted;
    case v1::BATCH_QUARANTINED:
      return BatchState::kQuarantined;
    default:
      return BatchState::kRefused;
  }
}

std::string BatchStateWord(const v1::BatchReport& report) {
  if (report.has_retraction()) return "retracted";
  switch (StateOf(report)) {
    case BatchState::kAccepted:
      return "accepted";
    case BatchState::kQuarantined:
      return "quarantined";
    case BatchState::kReleased:
      return "released";
    case BatchState::kRefused:
      break;
  }
  return "refused";
}

v1::BatchReport WithoutQuotes(v1::BatchReport report) {
  report.clear_malformed();
  for (v1::RefusedRecord& record : *report.mutable_refused()) {
    record.set_reason("no preference");
  }
  return report;
}

bool ForgetWorker(const std::string& worker_id, v1::BatchReport& report) {
  bool found = false;
  const auto forget = [&](std::string* text) {
    // As batch_gate.cc names workers.
    const int count = absl::StrReplaceAll(
        {{absl::StrCat("worker ", worker_id, ":"), "a retracted worker:"},
         {absl::StrCat("worker ", worker_id, " agrees"),
          "a retracted worker agrees"}},
        text);
    found |= count > 0;
  };
  forget(report.mutable_reason());
  for (v1::BatchReportFinding& finding : *report.mutable_findings()) {
    forget(finding.mutable_detail());
  }
  return found;
}

std::string BatchReportText(const v1::BatchReport& report) {
  std::string text = Headline(report);
  absl::StrAppend(&text, "batch ", report.batch_id(), " (", report.source(),
                  "): ", BatchStateWord(report));
  if (report.has_retraction()) {
    absl::StrAppend(&text, " by ", report.retraction().by(), ": ",
                    report.retraction().reason());
  } else if (report.has_decision()) {
    absl::StrAppend(&text, " by ", report.decision().by(), ": ",
                    report.decision().reason());
  }
  absl::StrAppend(&text, report.seen_before() ? ", handed in before\n" : "\n");
  if (report.num_retracted() > 0) {
    absl::StrAppend(&text, "  ", report.num_retracted(),
                    " of its comparisons were taken back\n");
  }
  if (report.num_of_retracted_workers() > 0) {
    absl::StrAppend(&text, "  ", report.num_of_retracted_workers(),
                    " left out: worker retracted\n");
  }
  for (const v1::BatchReportFinding& finding : report.findings()) {
    absl::StrAppendFormat(&text, "  %-4s %-18s %s\n",
                          finding.passed() ? "ok" : "LOOK", finding.check(),
                          finding.detail());
  }
  for (const std::string& malformed : report.malformed()) {
    absl::StrAppend(&text, malformed, "\n");
  }
  constexpr absl::string_view kImport = "import:";
  const std::string name =
      report.source().substr(std::min(kImport.size(), report.source().size()));
  for (const v1::RefusedRecord& record : report.refused()) {
    absl::StrAppend(&text, name, ":", record.line(), ": ", record.reason(),
                    "\n");
  }
  return text;
}

}  // namespace rlhf
