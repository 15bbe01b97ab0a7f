#include "cli/lineage_records.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/comparison_log.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

// Of a PM on trial, which may reward updates already, only the card tells yet.
absl::Status AddPmsOnTrial(const v1::RunConfig& config,
                           std::vector<v1::PmReport>& pms) {
  const ModelRegistry registry(
      absl::StrCat(RunDirectory(config), "/registry/pm"));
  for (const int64_t version : registry.Versions()) {
    const auto at = std::lower_bound(pms.begin(), pms.end(), version,
                                     [](const v1::PmReport& pm, int64_t v) {
                                       return pm.pm().version() < v;
                                     });
    if (at != pms.end() && at->pm().version() == version) continue;
    RLHF_ASSIGN_OR_RETURN(const Json card, registry.Card(version));
    std::optional<v1::PmReport> report = ReportOf(card);
    if (!report.has_value()) continue;
    report->mutable_pm()->set_version(version);
    pms.insert(at, *std::move(report));
  }
  return absl::OkStatus();
}

}  // namespace

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
      if (!one.worker_digest().empty()) {
        records.retracted_workers[one.seq()] = one.worker_digest();
      }
    }
  }
  RLHF_ASSIGN_OR_RETURN(records.pms, ReadPmReports(RunDirectory(config)));
  RLHF_RETURN_IF_ERROR(AddPmsOnTrial(config, records.pms));
  RLHF_ASSIGN_OR_RETURN(records.updates, ReadUpdates(RunDirectory(config)));
  return records;
}

}  // namespace rlhf
