// Reads what a run has written down about who taught whom.
#pragma once

#include "absl/status/statusor.h"
#include "cli/lineage.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// All comparisons are in memory then. The store is not held any more when it
// returns. PMs on trial are among the records.
// Errors: as ComparisonLog::Open, ReadPmReports, ModelRegistry::Card and
// ReadUpdates.
absl::StatusOr<RunRecords> ReadRunRecords(const v1::RunConfig& config);

}  // namespace rlhf
