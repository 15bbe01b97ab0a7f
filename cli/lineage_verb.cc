// lineage: who taught a model, and which models a comparison taught.
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/comparison_log.h"
#include "cli/config_flag.h"
#include "cli/lineage.h"
#include "cli/lineage_records.h"
#include "cli/verbs.h"
#include "core/base/counted.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// The most first.
void PrintCounts(const std::string& title,
                 const std::map<std::string, int64_t>& counts) {
  if (counts.empty()) return;
  std::vector<std::pair<int64_t, std::string>> sorted;
  for (const auto& [name, count] : counts) sorted.emplace_back(count, name);
  std::sort(sorted.rbegin(), sorted.rend());
  std::cout << title << "\n";
  for (const auto& [count, name] : sorted) {
    std::cout << absl::StrFormat("  %6d  %s\n", count, name);
  }
}

absl::Status PrintTeachers(const RunRecords& records, const ComparisonLog& log,
                           const std::set<int64_t>& pms) {
  Teachers teachers;
  RLHF_RETURN_IF_ERROR(log.ForEach([&](const v1::Comparison& comparison) {
    CountTeacher(records, pms, comparison, teachers);
    return absl::OkStatus();
  }));
  std::cout << "taught by " << teachers.num_teaching << " of "
            << teachers.num_comparisons << " comparisons\n";
  PrintCounts("workers", teachers.workers);
  PrintCounts("batches", teachers.batches);
  PrintCounts("sources", teachers.sources);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> VersionOf(const Flags& flags, const std::string& flag) {
  int64_t version = 0;
  if (absl::SimpleAtoi(flags.String(flag), &version) && version > 0) {
    return version;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, " is \"", flags.String(flag),
                   "\"; wanted a version, 1 or more"));
}

absl::Status PrintModel(const RunRecords& records, const ComparisonLog& log,
                        const Flags& flags, const std::string& kind) {
  RLHF_ASSIGN_OR_RETURN(const int64_t version, VersionOf(flags, kind));
  const bool is_pm = kind == "pm";
  const bool known =
      is_pm ? std::any_of(records.pms.begin(), records.pms.end(),
                          [&](const v1::PmReport& report) {
                            return report.pm().version() == version;
                          })
            : std::any_of(records.updates.begin(), records.updates.end(),
                          [&](const v1::UpdateReport& update) {
                            return update.policy_version() == version;
                          });
  if (!known) {
    return absl::NotFoundError(absl::StrCat(
        "this run has no ", is_pm ? "PM" : "policy", " v", version));
  }
  const std::set<int64_t> pms =
      is_pm ? std::set<int64_t>{version} : PmsBehindPolicy(records, version);
  std::cout << (is_pm ? "PM v" : "policy v") << version << "\n";
  if (!is_pm) std::cout << "rewarded by PM " << VersionList(pms) << "\n";
  return PrintTeachers(records, log, pms);
}

bool IsOf(const RunRecords& records, const v1::Comparison& comparison,
          const std::string& flag, const std::string& value) {
  if (flag == "batch") return comparison.batch_id() == value;
  if (flag == "worker") return IsOfWorker(records, comparison, value);
  return comparison.comparison_id() == value ||
         absl::StrCat(comparison.seq()) == value;
}

// What the comparisons that `flag` names have taught.
absl::Status PrintPupils(const RunRecords& records, const ComparisonLog& log,
                         const std::string& flag, const std::string& value) {
  Pupils pupils;
  RLHF_RETURN_IF_ERROR(log.ForEach([&](const v1::Comparison& comparison) {
    if (IsOf(records, comparison, flag, value)) {
      CountPupils(records, comparison, pupils);
    }
    return absl::OkStatus();
  }));
  if (pupils.num_comparisons == 0) {
    return absl::NotFoundError(
        absl::StrCat("no comparison of ", flag, " ", value, " is in the log"));
  }
  std::cout << flag << " " << value << ": "
            << Counted(pupils.num_comparisons, "comparison") << ", "
            << pupils.num_retracted << " retracted; " << pupils.num_teaching
            << " may have taught a PM\n"
            << "PM versions      " << VersionList(pupils.pms) << "\n"
            << "policy versions  "
            << VersionList(PoliciesTaughtBy(records, pupils.pms)) << "\n";
  return absl::OkStatus();
}

}  // namespace

absl::Status LineageVerb(const Flags& flags) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig config, ConfigFromFlag(flags));
  std::string asked;
  for (const char* flag : {"policy", "pm", "comparison", "batch", "worker"}) {
    if (flags.String(flag).empty()) continue;
    if (!asked.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", asked, " and --", flag, ": wanted one of them"));
    }
    asked = flag;
  }
  if (asked.empty()) {
    return absl::InvalidArgumentError(
        "wanted --policy V or --pm V (who taught it), or --comparison ID, "
        "--batch ID or --worker ID (what it taught)");
  }
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<const ComparisonLog> log,
                        ComparisonLog::Open(config));
  RLHF_ASSIGN_OR_RETURN(const RunRecords records, ReadRunRecords(config, *log));
  RLHF_RETURN_IF_ERROR(
      asked == "policy" || asked == "pm"
          ? PrintModel(records, *log, flags, asked)
          : PrintPupils(records, *log, asked, flags.String(asked)));
  std::cout << UnknownTrainingNote(records);
  return absl::OkStatus();
}

}  // namespace rlhf
