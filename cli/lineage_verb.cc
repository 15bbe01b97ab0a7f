// lineage: who taught a model, and which models a comparison taught.
#include <algorithm>
#include <iostream>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/config_flag.h"
#include "cli/lineage.h"
#include "cli/lineage_records.h"
#include "cli/verbs.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// How many comparisons there are of each kind, the most first.
void PrintCounts(const std::string& title,
                 const std::vector<const v1::Comparison*>& comparisons,
                 const std::string& (v1::Comparison::*kind)() const) {
  std::map<std::string, int64_t> counts;
  for (const v1::Comparison* comparison : comparisons) {
    const std::string& name = (comparison->*kind)();
    if (!name.empty()) ++counts[name];
  }
  if (counts.empty()) return;
  std::vector<std::pair<int64_t, std::string>> sorted;
  for (const auto& [name, count] : counts) sorted.emplace_back(count, name);
  std::sort(sorted.rbegin(), sorted.rend());
  std::cout << title << "\n";
  for (const auto& [count, name] : sorted) {
    std::cout << absl::StrFormat("  %6d  %s\n", count, name);
  }
}

void PrintTeachers(const RunRecords& records, const std::set<int64_t>& pms) {
  const auto teachers = ComparisonsBehindPms(records, pms);
  std::cout << "taught by " << teachers.size() << " of "
            << records.comparisons.size() << " comparisons\n";
  PrintCounts("workers", teachers, &v1::Comparison::worker_id);
  PrintCounts("batches", teachers, &v1::Comparison::batch_id);
  PrintCounts("sources", teachers, &v1::Comparison::source);
}

// What these comparisons have taught.
absl::Status PrintPupils(const RunRecords& records, const std::string& what,
                         const std::vector<const v1::Comparison*>& found) {
  if (found.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no comparison of ", what, " is in the log"));
  }
  std::set<int64_t> pms;
  int64_t num_teaching = 0, num_retracted = 0;
  for (const v1::Comparison* comparison : found) {
    if (comparison->choice() == v1::RETRACTED) ++num_retracted;
    const std::set<int64_t> taught = PmsTaughtBy(records, *comparison);
    if (!taught.empty()) ++num_teaching;
    pms.insert(taught.begin(), taught.end());
  }
  std::cout << what << ": " << found.size() << " comparisons, " << num_retracted
            << " retracted; " << num_teaching << " may have taught a PM\n"
            << "PM versions      " << VersionList(pms) << "\n"
            << "policy versions  "
            << VersionList(PoliciesTaughtBy(records, pms)) << "\n";
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

absl::Status PrintModel(const RunRecords& records, const Flags& flags,
                        const std::string& kind) {
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
  PrintTeachers(records, pms);
  return absl::OkStatus();
}

bool IsOf(const RunRecords& records, const v1::Comparison& comparison,
          const std::string& flag, const std::string& value) {
  if (flag == "batch") return comparison.batch_id() == value;
  if (flag == "worker") return IsOfWorker(records, comparison, value);
  return comparison.comparison_id() == value ||
         absl::StrCat(comparison.seq()) == value;
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
  RLHF_ASSIGN_OR_RETURN(const RunRecords records, ReadRunRecords(config));
  if (asked == "policy" || asked == "pm") {
    return PrintModel(records, flags, asked);
  }
  std::vector<const v1::Comparison*> found;
  for (const v1::Comparison& comparison : records.comparisons) {
    if (IsOf(records, comparison, asked, flags.String(asked))) {
      found.push_back(&comparison);
    }
  }
  return PrintPupils(records, absl::StrCat(asked, " ", flags.String(asked)),
                     found);
}

}  // namespace rlhf
