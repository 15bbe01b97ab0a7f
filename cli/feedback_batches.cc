#include "cli/feedback_batches.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "cli/batch_commands.h"
#include "cli/comparison_log.h"
#include "cli/feedback_accounts.h"
#include "cli/lineage.h"
#include "cli/lineage_records.h"
#include "core/base/counted.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "feedback/batch/batch_report.h"
#include "feedback/one_line.h"
#include "feedback/open_store.h"

namespace rlhf {
namespace {

absl::StatusOr<v1::BatchReport> ImportInto(const v1::RunConfig& config,
                                           const std::string& text,
                                           const std::string& name,
                                           bool dry_run) {
  RLHF_ASSIGN_OR_RETURN(const auto commands,
                        BatchCommands::Open(config, /*create=*/true));
  return commands->Import(text, name, dry_run);
}

// Before a run has a store: judged beside an empty one, which is thrown away.
absl::StatusOr<v1::BatchReport> DryRunBesideNothing(v1::RunConfig config,
                                                    const std::string& text,
                                                    const std::string& name) {
  std::string folder =
      (std::filesystem::temp_directory_path() / "rlhf-dry-run-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", folder));
  }
  config.set_runs_dir(folder);
  config.mutable_feedback()->clear_database();
  auto report = ImportInto(config, text, name, /*dry_run=*/true);
  RLHF_RETURN_IF_ERROR(RemoveAll(folder));
  return report;
}

absl::Status CheckWhoAndWhy(const Flags& flags) {
  RLHF_RETURN_IF_ERROR(CheckIsOneLine("--by", flags.String("by")));
  return CheckIsOneLine("--reason", flags.String("reason"));
}

bool IsSelected(const RunRecords& records, const v1::Comparison& comparison,
                const v1::RetractRequest& request) {
  if (!request.worker_id().empty()) {
    return IsOfWorker(records, comparison, request.worker_id());
  }
  if (!request.batch_id().empty()) {
    return comparison.batch_id() == request.batch_id();
  }
  const auto& ids = request.comparison_ids();
  return std::find(ids.begin(), ids.end(), comparison.comparison_id()) !=
         ids.end();
}

// Which models may have learned from what is selected, in words. To be asked
// before it is retracted: then it does not say any more whose it was. The log
// is not held open after.
absl::StatusOr<std::string> DescribePupils(const v1::RunConfig& config,
                                           const v1::RetractRequest& request) {
  RLHF_ASSIGN_OR_RETURN(const auto log, ComparisonLog::Open(config));
  RLHF_ASSIGN_OR_RETURN(const RunRecords records, ReadRunRecords(config, *log));
  Pupils pupils;
  RLHF_RETURN_IF_ERROR(log->ForEach([&](const v1::Comparison& comparison) {
    if (IsSelected(records, comparison, request)) {
      CountPupils(records, comparison, pupils);
    }
    return absl::OkStatus();
  }));
  return absl::StrCat("PM versions that may have learned from it      ",
                      VersionList(pupils.pms),
                      "\npolicy versions that may have learned from it  ",
                      VersionList(PoliciesTaughtBy(records, pupils.pms)), "\n",
                      UnknownTrainingNote(records));
}

// `missing`, with the worker's pseudonym if the id is the name of an account.
absl::Status NameThePseudonym(const v1::RunConfig& config,
                              const std::string& worker_id,
                              const absl::Status& missing) {
  const std::string pseudonym = PseudonymOfAccount(config, worker_id);
  if (pseudonym.empty()) return missing;
  return absl::NotFoundError(absl::StrCat(
      missing.message(), "\n\"", worker_id,
      "\" is the name of an account: retract --worker ", pseudonym));
}

// The comparisons that the report of a batch suspects with it.
absl::Status AddSuspects(const std::string& batch_id,
                         const BatchCommands& commands,
                         v1::RetractRequest& request) {
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report, commands.Get(batch_id));
  if (report.suspects().comparison_ids().empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("batch ", batch_id,
                     " suspects nothing that came before it: to retract the "
                     "batch itself, --batch ",
                     batch_id));
  }
  *request.mutable_comparison_ids() = report.suspects().comparison_ids();
  return absl::OkStatus();
}

}  // namespace

absl::Status ImportBatch(const v1::RunConfig& config, const std::string& path,
                         bool dry_run) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const std::string name = path.substr(path.rfind('/') + 1);
  bool is_beside_nothing = false;
  if (dry_run) {
    RLHF_ASSIGN_OR_RETURN(const bool exists, PreferenceStoreExists(config));
    is_beside_nothing = !exists;
  }
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report,
                        is_beside_nothing
                            ? DryRunBesideNothing(config, text, name)
                            : ImportInto(config, text, name, dry_run));
  if (report.verdict() == v1::BATCH_REFUSED) {
    return absl::InvalidArgumentError(BatchReportText(report));
  }
  std::cout << BatchReportText(report);
  return absl::OkStatus();
}

absl::Status ShowBatch(const v1::RunConfig& config, const std::string& id) {
  RLHF_ASSIGN_OR_RETURN(const auto commands,
                        BatchCommands::Open(config, /*create=*/false));
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report, commands->Get(id));
  std::cout << BatchReportText(report);
  return absl::OkStatus();
}

absl::Status ListBatches(const v1::RunConfig& config, const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const auto commands,
                        BatchCommands::Open(config, /*create=*/false));
  v1::ListBatchesRequest request;
  request.set_limit(static_cast<int32_t>(flags.Int("last")));
  request.set_before(flags.String("before"));
  RLHF_ASSIGN_OR_RETURN(const v1::BatchList list, commands->List(request));
  if (list.batches().empty()) {
    std::cout << (request.before().empty() ? "no batch has come yet\n"
                                           : "no batch came before that\n");
  }
  for (const v1::BatchReport& report : list.batches()) {
    const absl::Time received = absl::FromUnixMillis(report.received_unix_ms());
    std::cout << absl::FormatTime("%Y-%m-%d %H:%M:%S", received,
                                  absl::UTCTimeZone())
              << absl::StrFormat("  %-26s  %-11s  %6d  %s", report.batch_id(),
                                 BatchStateWord(report),
                                 report.num_comparisons(), report.source());
    if (report.num_retracted() > 0) {
      std::cout << ", " << report.num_retracted() << " taken back";
    }
    std::cout << "\n";
  }
  if (list.has_more()) {
    std::cout << "older ones: rlhf feedback batches --config CONFIG --before "
              << list.batches().rbegin()->batch_id() << "\n";
  }
  return absl::OkStatus();
}

absl::Status DecideBatch(const v1::RunConfig& config, const Flags& flags,
                         const std::string& id, bool release) {
  v1::DecideBatchRequest request;
  request.set_batch_id(id);
  request.set_release(release);
  request.set_by(flags.String("by"));
  request.set_reason(flags.String("reason"));
  if (request.by().empty() || request.reason().empty()) {
    return absl::InvalidArgumentError(
        "--by NAME and --reason WHY are wanted: both are kept in the report");
  }
  RLHF_RETURN_IF_ERROR(CheckWhoAndWhy(flags));
  RLHF_ASSIGN_OR_RETURN(const auto commands,
                        BatchCommands::Open(config, /*create=*/false));
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report,
                        commands->Decide(request));
  std::cout << BatchReportText(report);
  return absl::OkStatus();
}

absl::Status RetractComparisons(const v1::RunConfig& config,
                                const Flags& flags) {
  v1::RetractRequest request;
  request.set_worker_id(flags.String("worker"));
  request.set_batch_id(flags.String("batch"));
  if (!flags.String("comparison").empty()) {
    request.add_comparison_ids(flags.String("comparison"));
  }
  request.set_by(flags.String("by"));
  request.set_reason(flags.String("reason"));
  const std::string suspects_of = flags.String("suspects-of");
  const int num_kinds = (request.worker_id().empty() ? 0 : 1) +
                        (request.batch_id().empty() ? 0 : 1) +
                        request.comparison_ids_size() +
                        (suspects_of.empty() ? 0 : 1);
  if (num_kinds != 1 || request.by().empty() || request.reason().empty()) {
    return absl::InvalidArgumentError(
        "wanted: one of --worker ID, --batch ID, --comparison ID and "
        "--suspects-of BATCH, with --by NAME and --reason WHY, which are kept; "
        "nothing brings back what is retracted");
  }
  RLHF_RETURN_IF_ERROR(CheckWhoAndWhy(flags));
  if (!suspects_of.empty()) {
    // Opened for itself: the log is read before anything is taken out of it.
    RLHF_ASSIGN_OR_RETURN(const auto reports,
                          BatchCommands::Open(config, /*create=*/false));
    RLHF_RETURN_IF_ERROR(AddSuspects(suspects_of, *reports, request));
  }
  const absl::StatusOr<std::string> pupils = DescribePupils(config, request);
  RLHF_ASSIGN_OR_RETURN(const auto commands,
                        BatchCommands::Open(config, /*create=*/false));
  const absl::StatusOr<v1::RetractResponse> done = commands->Retract(request);
  if (absl::IsNotFound(done.status())) {
    return NameThePseudonym(config, request.worker_id(), done.status());
  }
  RLHF_RETURN_IF_ERROR(done.status());
  std::cout << Counted(done->num_retracted(), "comparison") << " retracted, "
            << done->num_retracted_before() << " were before, "
            << done->num_waiting() << " taken out of batches that wait\n";
  if (pupils.ok()) {
    std::cout << *pupils;
  } else {
    std::cout << "which versions learned from it is not known: "
              << pupils.status().message() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace rlhf
