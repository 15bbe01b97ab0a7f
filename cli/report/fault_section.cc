#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/report/sections.h"
#include "cli/report/serving_changes.h"

namespace rlhf {
namespace {

// How often something happened, and what is known of it.
struct Fault {
  std::string what;
  int64_t count = 0;
  std::string details;
};

Fault Restarts(const v1::Report& report) {
  Fault fault = {.what = "processes started again"};
  std::vector<std::string> roles;
  for (const v1::ProcessReport& process : report.processes()) {
    if (process.num_restarts() == 0) continue;
    fault.count += process.num_restarts();
    roles.push_back(absl::StrCat(process.role(), " ", process.num_restarts()));
  }
  fault.details = absl::StrJoin(roles, ", ");
  return fault;
}

// Counts the updates of which `tell` says something.
template <typename F>
Fault OfUpdates(const std::string& what, const v1::Report& report, F&& tell) {
  Fault fault = {.what = what};
  std::vector<std::string> told;
  for (const v1::UpdateReport& update : report.updates()) {
    const std::string words = tell(update);
    if (words.empty()) continue;
    ++fault.count;
    told.push_back(absl::StrCat("update ", update.update(), ": ", words));
  }
  fault.details = absl::StrJoin(told, "; ");
  return fault;
}

Fault Refused(const v1::Report& report) {
  Fault fault = {.what = "candidates refused by the gate"};
  std::vector<std::string> versions;
  for (const v1::PmReport& pm : report.pms()) {
    if (!pm.promoted())
      versions.push_back(absl::StrCat("v", pm.pm().version()));
  }
  fault.count = static_cast<int64_t>(versions.size());
  fault.details = absl::StrJoin(versions, ", ");
  return fault;
}

Fault TakenBack(const std::vector<Transition>& transitions) {
  Fault fault = {.what = "promotions taken back"};
  std::vector<std::string> told;
  for (const ServingChange& change : ServingChanges(transitions)) {
    if (!change.taken_back) continue;
    told.push_back(
        absl::StrCat("v", change.from, " by ", change.by, ": ", change.reason));
  }
  fault.count = static_cast<int64_t>(told.size());
  fault.details = absl::StrJoin(told, "; ");
  return fault;
}

std::string Skipped(const v1::UpdateReport& update) {
  return update.num_skipped_steps() == 0
             ? ""
             : absl::StrCat(update.num_skipped_steps(), " steps");
}

std::vector<Fault> FaultsOf(const ReportData& data) {
  const v1::Report& report = data.report;
  std::vector<Fault> faults = {
      {.what = "times the run went on after a stop",
       .count = std::max<int64_t>(0, data.num_sessions - 1)},
      Restarts(report),
      {.what = "updates made again after a crash",
       .count = data.num_updates_repeated},
      OfUpdates("batches left out", report,
                [](const auto& update) {
                  return update.policy_restarted() ? "" : update.left_out();
                }),
      OfUpdates("updates with steps left out, whose gradient was not finite",
                report, Skipped),
      OfUpdates("times that reward rose and the test PM fell", report,
                [](const auto& update) { return update.over_optimisation(); }),
      OfUpdates("times that the policy began again", report,
                [](const auto& update) {
                  return update.policy_restarted() ? "at a swap" : "";
                }),
      Refused(report)};
  if (data.transitions.ok()) faults.push_back(TakenBack(*data.transitions));
  return faults;
}

}  // namespace

ReportSection FaultSection(const ReportData& data) {
  HtmlTable table = {.columns = {{"what"}, {"how often", true}, {"details"}}};
  std::vector<std::string> never;
  for (const Fault& fault : FaultsOf(data)) {
    if (fault.count == 0) {
      never.push_back(fault.what);
    } else {
      table.rows.push_back(
          {{fault.what, absl::StrCat(fault.count), fault.details}});
    }
  }
  return {
      "faults", "Faults survived",
      (table.rows.empty() ? Missing("Faults: none in the records of this run.")
                          : ToHtml(table)) +
          (never.empty()
               ? ""
               : Paragraph(absl::StrCat("Looked for and not found: ",
                                        absl::StrJoin(never, ", "), "."))) +
          Paragraph("Restarts are told once a session of `rlhf up` has "
                    "ended; one that was itself killed has told none.")};
}

}  // namespace rlhf
