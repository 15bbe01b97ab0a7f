// Reads what a run has written down about who taught whom.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/comparison_log.h"
#include "cli/lineage.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// PMs on trial are among the records. `log` is asked for what was taken back;
// a retraction that comes later is of just now.
// Errors: as ComparisonLog::Retractions, ReadPmReports, ModelRegistry::Card and
// ReadUpdates.
absl::StatusOr<RunRecords> ReadRunRecords(const v1::RunConfig& config,
                                          const ComparisonLog& log);

// What to say of PMs whose training is not known; empty if there are none.
std::string UnknownTrainingNote(const RunRecords& records);

}  // namespace rlhf
