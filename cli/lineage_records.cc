#include "cli/lineage_records.h"

#include <vector>

#include "cli/comparison_log.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "trainer/run_log.h"

namespace rlhf {

absl::StatusOr<RunRecords> ReadRunRecords(const v1::RunConfig& config) {
  RunRecords records;
  records.preference = config.preference();
  {
    RLHF_ASSIGN_OR_RETURN(const auto log, ComparisonLog::Open(config));
    RLHF_ASSIGN_OR_RETURN(records.comparisons, log->ReadAll());
    RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Retraction> retractions,
                          log->Retractions());
    for (const v1::Retraction& one : retractions) {
      records.retracted_unix_ms[one.seq()] = one.retracted_unix_ms();
    }
  }
  RLHF_ASSIGN_OR_RETURN(records.pms, ReadPmReports(RunDirectory(config)));
  RLHF_ASSIGN_OR_RETURN(records.updates, ReadUpdates(RunDirectory(config)));
  return records;
}

}  // namespace rlhf
