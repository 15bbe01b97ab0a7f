// The machine-readable summary of a run, built from the files that its
// processes leave in the run directory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Appends one session of `rlhf up` to `run_dir`/sessions.jsonl: a Report with
// started, finished, wall_seconds, num_comparisons, workers and processes only.
absl::Status AppendSession(const std::string& run_dir,
                           const v1::Report& session);

// From metrics.jsonl, pms.jsonl, gold.json and sessions.jsonl; a file that is
// not there adds nothing.
//
// Errors: DataLoss that names file and line.
absl::StatusOr<v1::Report> BuildReport(const std::string& run_dir,
                                       const v1::RunConfig& config);

// `run_dir`/report.json.
absl::Status WriteReport(const std::string& run_dir, const v1::Report& report);

// Whether everything that `config` asks for is in the report.
bool IsComplete(const v1::Report& report, const v1::RunConfig& config);

// report.json of a run that needs nothing more; nullopt for any other run.
//
// Errors: as ReadFile; InvalidArgument with the path if it is no report.
absl::StatusOr<std::optional<v1::Report>> ReadFinishedReport(
    const v1::RunConfig& config);

// The report for people, in lines of at most 80 columns.
std::string SummaryTable(const v1::Report& report);

}  // namespace rlhf
