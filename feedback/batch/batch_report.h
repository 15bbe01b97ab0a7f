// A batch's report, for programs (v1::BatchReport, also as JSON) and people.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "feedback/batch.h"
#include "feedback/batch/batch_gate.h"
#include "rlhf/v1/feedback_import.pb.h"

namespace rlhf {

// Refuses a batch of which no comparison is left, unless its records are
// malformed: that is the gate's to say. What comes by itself (`single`) may
// well be no preference. Returns whether it did.
bool RefuseEmpty(bool single, v1::BatchReport& report);

// Verdict, reason and findings of the gate into `report`.
void SetVerdict(const BatchVerdict& verdict, v1::BatchReport& report);

// The report as one line of JSON, and back. Errors: DataLoss.
std::string BatchReportJson(const v1::BatchReport& report);
absl::StatusOr<v1::BatchReport> ReportOf(const StoredBatch& batch);

// What of a report is kept: it quotes nothing that is in the file, so that what
// people wrote can be taken back. Numbers of lines stay.
v1::BatchReport WithoutQuotes(v1::BatchReport report);

// Takes a worker's name out of a report, or those of all; whether one was in
// it.
bool ForgetWorker(const std::string& worker_id, v1::BatchReport& report);
bool ForgetWorkers(v1::BatchReport& report);

// In which state the archive has a batch with this report.
BatchState StateOf(const v1::BatchReport& report);

// "accepted", "quarantined", "released", "refused", or "retracted" for what was
// accepted, released or refused and then taken back whole.
std::string BatchStateWord(const v1::BatchReport& report);

// What `rlhf feedback import` prints: what became of the batch, then each
// finding with a mark, then the records that were left out.
std::string BatchReportText(const v1::BatchReport& report);

}  // namespace rlhf
