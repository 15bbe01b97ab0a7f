#include "feedback/batch/batch_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/counted.h"
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

template <typename Predicate>
bool ForgetWorkersIf(Predicate is_forgotten, v1::BatchReport& report) {
  bool found = false;
  for (v1::BatchReportFinding& finding : *report.mutable_findings()) {
    for (v1::BatchReportWorker& worker : *finding.mutable_workers()) {
      if (worker.worker_id().empty() || !is_forgotten(worker.worker_id())) {
        continue;
      }
      worker.clear_worker_id();
      found = true;
    }
  }
  return found;
}

void AppendFinding(const v1::BatchReportFinding& finding, std::string* text) {
  absl::StrAppendFormat(text, "  %-4s %-18s %s\n",
                        finding.passed() ? "ok" : "LOOK", finding.check(),
                        finding.detail());
  for (const v1::BatchReportWorker& worker : finding.workers()) {
    const std::string name = worker.worker_id().empty()
                                 ? "a worker who was taken back"
                                 : absl::StrCat("worker ", worker.worker_id());
    absl::StrAppendFormat(text, "  %-4s %-18s %s: %s\n", "", "", name,
                          worker.detail());
  }
}

// Only what the log keeps of them: ids.
void AppendSuspects(const v1::BatchReport& report, std::string* text) {
  if (!report.has_suspects()) return;
  const v1::BatchSuspects& suspects = report.suspects();
  const bool of_files = suspects.origin() == "import:";
  absl::StrAppend(
      text, "  under suspicion with it: ",
      Counted(suspects.comparison_ids_size(), "comparison"),
      " of the log that came before, ",
      of_files ? std::string("in small files")
               : absl::StrCat("one by one from ", suspects.origin()),
      "; to take them back:\n    rlhf feedback retract --suspects-of ",
      report.batch_id(), " --config CONFIG --by NAME --reason WHY\n");
  if (suspects.batch_ids().empty()) return;
  absl::StrAppend(text,
                  "  or one batch of them, with --batch ID (rlhf feedback "
                  "batches ID --config CONFIG shows one):\n");
  for (const std::string& id : suspects.batch_ids()) {
    absl::StrAppend(text, "    ", id, "\n");
  }
}

// Reports from before they were counted told all that they had.
int32_t NumRefused(const v1::BatchReport& report) {
  return std::max(report.num_refused(), report.refused_size());
}

// Gold questions judge and are not stored, whoever decides; what was taken back
// has left the batch.
int32_t NumWaiting(const v1::BatchReport& report) {
  return std::max(0, report.num_comparisons() - report.num_gold() -
                         report.num_of_retracted_workers() -
                         report.num_retracted());
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
    return absl::StrCat(Counted(report.accepted(), "comparison"), " accepted, ",
                        report.duplicates(), " were there before, ",
                        NumRefused(report), " refused\n");
  }
  if (report.verdict() == v1::BATCH_QUARANTINED && !report.has_decision()) {
    return absl::StrCat(Counted(NumWaiting(report), "comparison"),
                        " waiting for a person: rlhf feedback release|refuse ",
                        report.batch_id(),
                        " --config CONFIG --by NAME --reason WHY\n");
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
    for (const WorkerFinding& worker : finding.workers) {
      v1::BatchReportWorker* const named = added->add_workers();
      named->set_worker_id(worker.worker_id);
      named->set_detail(worker.detail);
    }
  }
}

bool RefuseEmpty(bool single, v1::BatchReport& report) {
  BatchVerdict verdict = {.kind = BatchVerdictKind::kRefused};
  if (report.num_of_retracted_workers() > 0) {
    verdict.reason = "worker retracted: nobody else speaks in it";
  } else if (single || report.num_malformed() > 0) {
    return false;
  } else {
    verdict.reason =
        report.num_records() == 0
            ? std::string("nothing in it")
            : absl::StrCat("nothing in it: none of its ", report.num_records(),
                           " records is a preference");
  }
  SetVerdict(verdict, report);
  return true;
}

std::string BatchReportJson(const v1::BatchReport& report) {
  return ProtoToJsonLine(report);
}

absl::StatusOr<v1::BatchReport> ReportOf(const StoredBatch& batch) {
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
  return ForgetWorkersIf(
      [&](const std::string& name) { return name == worker_id; }, report);
}

bool ForgetWorkers(v1::BatchReport& report) {
  return ForgetWorkersIf([](const std::string&) { return true; }, report);
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
  } else if (report.findings().empty() && !report.reason().empty()) {
    // No check says it.
    absl::StrAppend(&text, ": ", report.reason());
  }
  absl::StrAppend(&text, report.seen_before() ? ", handed in before\n" : "\n");
  if (report.num_retracted() > 0) {
    absl::StrAppend(&text, "  ", report.num_retracted(),
                    report.num_retracted() == 1
                        ? " of its comparisons was taken back\n"
                        : " of its comparisons were taken back\n");
  }
  if (report.num_of_retracted_workers() > 0) {
    absl::StrAppend(&text, "  ", report.num_of_retracted_workers(),
                    " left out: worker retracted\n");
  }
  if (report.num_replaced() > 0) {
    absl::StrAppend(&text, "  ", report.num_replaced(),
                    " take the place of older answers of the same person\n");
  }
  if (report.num_outdated() > 0) {
    absl::StrAppend(&text, "  ", report.num_outdated(),
                    " left out: the person has answered anew since\n");
  }
  for (const v1::BatchReportFinding& finding : report.findings()) {
    AppendFinding(finding, &text);
  }
  AppendSuspects(report, &text);
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
  if (NumRefused(report) > report.refused_size()) {
    absl::StrAppend(&text, "showing ", report.refused_size(), " of ",
                    NumRefused(report), " refused records\n");
  }
  return text;
}

}  // namespace rlhf
