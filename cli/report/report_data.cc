#include "cli/report/report_data.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/batch_commands.h"
#include "cli/comparison_log.h"
#include "cli/run_report.h"
#include "cli/versions.h"
#include "core/base/file.h"
#include "core/base/json_lines.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "feedback/open_store.h"
#include "feedback/workers/pauses.h"
#include "trainer/order_log.h"

namespace rlhf {
namespace {

// How often a line of metrics.jsonl is of an update that was there before.
absl::StatusOr<int64_t> CountRepeated(const std::string& run_dir,
                                      const v1::Report& report) {
  RLHF_ASSIGN_OR_RETURN(const auto lines, ReadJsonLines<v1::UpdateReport>(
                                              run_dir + "/metrics.jsonl"));
  return static_cast<int64_t>(lines.size()) - report.updates_size();
}

absl::Status ReadRegistry(const std::string& run_dir, ReportData& data) {
  const ModelRegistry registry(run_dir + "/registry/pm");
  data.transitions = registry.Transitions();
  for (const int64_t version : registry.Versions()) {
    RLHF_ASSIGN_OR_RETURN(const Json card, registry.Card(version));
    if (card.contains("held_out")) data.held_out[version] = card["held_out"];
  }
  return absl::OkStatus();
}

// The log is held open no longer than this takes: batches are asked for next.
absl::StatusOr<People> ReadPeople(const v1::RunConfig& config,
                                  ReportData& data) {
  RLHF_ASSIGN_OR_RETURN(const auto log, ComparisonLog::Open(config));
  data.retractions = log->Retractions();
  RLHF_ASSIGN_OR_RETURN(
      PersonsWords words,
      ReadPersonsWords(FeedbackFolder(config) + "/pauses.json"));
  RLHF_ASSIGN_OR_RETURN(
      PeopleTally tally,
      PeopleTally::Create(config.feedback().worker_test(), std::move(words)));
  RLHF_RETURN_IF_ERROR(log->ForEach([&](const v1::Comparison& comparison) {
    tally.Add(comparison);
    return absl::OkStatus();
  }));
  return tally.Finish();
}

absl::StatusOr<v1::BatchList> ReadBatches(const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(const auto commands,
                        BatchCommands::Open(config, /*create=*/false));
  v1::ListBatchesRequest request;
  request.set_limit(kMostBatches);
  return commands->List(request);
}

}  // namespace

absl::StatusOr<ReportData> ReadReportData(const v1::RunConfig& config) {
  const std::string run_dir = RunDirectory(config);
  if (!FileExists(run_dir)) {
    return absl::NotFoundError(absl::StrCat(
        run_dir, ": there is no such run; `rlhf up` makes it, and name and ",
        "runs_dir of the run file say where"));
  }
  ReportData data;
  data.config = config;
  data.made_at = absl::Now();
  data.versions = VersionText();
  RLHF_ASSIGN_OR_RETURN(data.report, BuildReport(run_dir, config));
  RLHF_ASSIGN_OR_RETURN(const auto sessions,
                        ReadJsonLines<v1::Report>(run_dir + "/sessions.jsonl"));
  data.num_sessions = static_cast<int64_t>(sessions.size());
  RLHF_ASSIGN_OR_RETURN(data.num_updates_repeated,
                        CountRepeated(run_dir, data.report));
  RLHF_RETURN_IF_ERROR(ReadRegistry(run_dir, data));
  data.orders = OrderLog(run_dir).ReadAll();
  data.people = ReadPeople(config, data);
  data.batches = data.people.ok()
                     ? ReadBatches(config)
                     : absl::StatusOr<v1::BatchList>(data.people.status());
  data.samples = ReadSamples(run_dir, data.report);
  return data;
}

}  // namespace rlhf
