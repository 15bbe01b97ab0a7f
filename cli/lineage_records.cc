#include "cli/lineage_records.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "trainer/pm_training.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

// How PMs were trained; and the report of a PM on trial, which may reward
// updates already: only its card tells of it yet.
absl::Status AddFromCards(const v1::RunConfig& config, RunRecords& records) {
  const ModelRegistry registry(
      absl::StrCat(RunDirectory(config), "/registry/pm"));
  std::vector<v1::PmReport>& pms = records.pms;
  for (const int64_t version : registry.Versions()) {
    RLHF_ASSIGN_OR_RETURN(const Json card, registry.Card(version));
    if (std::optional<PmTraining> training = TrainingOf(card)) {
      records.trainings[version] = *std::move(training);
    }
    const auto at = std::lower_bound(pms.begin(), pms.end(), version,
                                     [](const v1::PmReport& pm, int64_t v) {
                                       return pm.pm().version() < v;
                                     });
    if (at != pms.end() && at->pm().version() == version) continue;
    std::optional<v1::PmReport> report = ReportOf(card);
    if (!report.has_value()) continue;
    report->mutable_pm()->set_version(version);
    pms.insert(at, *std::move(report));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RunRecords> ReadRunRecords(const v1::RunConfig& config,
                                          const ComparisonLog& log) {
  RunRecords records;
  records.preference = config.preference();
  RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Retraction> retractions,
                        log.Retractions());
  for (const v1::Retraction& one : retractions) AddRetraction(one, records);
  RLHF_ASSIGN_OR_RETURN(records.pms, ReadPmReports(RunDirectory(config)));
  RLHF_RETURN_IF_ERROR(AddFromCards(config, records));
  RLHF_ASSIGN_OR_RETURN(records.updates, ReadUpdates(RunDirectory(config)));
  return records;
}

std::string UnknownTrainingNote(const RunRecords& records) {
  const std::set<int64_t> unknown = PmsOfUnknownTraining(records);
  if (unknown.empty()) return "";
  return absl::StrCat(
      "how PM ", VersionList(unknown),
      " was trained is not in its card, as an older version of rlhf made it: "
      "what it learned from is told by today's configuration\n");
}

}  // namespace rlhf
