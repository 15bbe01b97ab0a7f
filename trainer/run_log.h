// What learner and refresher have told of a run so far.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/json.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Every update of `run_directory`/metrics.jsonl, by rising number. An update
// that was done again after a crash counts once, as it was done last.
//
// Errors: DataLoss that names file and line.
absl::StatusOr<std::vector<v1::UpdateReport>> ReadUpdates(
    const std::string& run_directory);

// What the update took, all phases together, in seconds.
double UpdateSeconds(const v1::UpdateReport& update);

// Every PM of `run_directory`/pms.jsonl, by rising version, as it was told
// last. Errors: as ReadUpdates.
absl::StatusOr<std::vector<v1::PmReport>> ReadPmReports(
    const std::string& run_directory);

// What the card of a PM version says of its making; nullopt if somebody else
// published it, without a report.
std::optional<v1::PmReport> ReportOf(const Json& card);

}  // namespace rlhf
