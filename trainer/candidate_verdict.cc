#include "trainer/candidate_verdict.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "trainer/gate_report.h"
#include "trainer/retracted_data.h"

namespace rlhf {
namespace {

std::string Name(std::optional<int64_t> version) {
  return version.has_value() ? absl::StrCat("version ", *version)
                             : "no version";
}

}  // namespace

absl::StatusOr<bool> CandidateVerdict::Served(int64_t version) const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<Transition> history,
                        registry_->Transitions());
  return std::any_of(
      history.begin(), history.end(), [&](const Transition& transition) {
        const auto it = transition.aliases.find("serving");
        return it != transition.aliases.end() && it->second == version;
      });
}

// A trial may take long, and a killed refresher may have been away.
absl::Status CandidateVerdict::RefuseIfRetracted(v1::PmReport& report) {
  RLHF_ASSIGN_OR_RETURN(const int64_t retracted,
                        WaitForRetractedSince(report.data(), *store_));
  if (retracted == 0) return absl::OkStatus();
  const std::string found = absl::StrCat(
      retracted, " comparisons that it was trained on were retracted since");
  AddVerdict({.promote = false,
              .reason = "refused: " + found,
              .findings = {{"retracted data", false, found}}},
             report);
  return absl::OkStatus();
}

void CandidateVerdict::Refuse(const std::string& found, v1::PmReport& report) {
  AddVerdict({.promote = false,
              .reason = "refused: " + found,
              .findings = {{"serving PM", false, found}}},
             report);
}

// A person may have made another version serve meanwhile: what the candidate
// was compared with serves no more. Or the candidate itself, and have taken it
// back since.
absl::Status CandidateVerdict::Promote(std::optional<int64_t> serving,
                                       v1::PmReport& report) {
  const int64_t version = report.pm().version();
  RLHF_ASSIGN_OR_RETURN(const bool served, Served(version));
  if (served) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> serves,
                          registry_->Alias("serving"));
    if (serves != version)
      Refuse("it served already, and was replaced", report);
    return trial_->EndTrials(report.verdict());
  }
  const absl::Status status = registry_->Promote(
      version, serving, {.by = "gate", .reason = report.verdict()});
  if (!absl::IsAborted(status)) return status;
  Refuse(std::string(status.message()), report);
  return absl::OkStatus();
}

absl::Status CandidateVerdict::Try(std::optional<int64_t> serving,
                                   v1::PmReport& report) {
  // The first has nobody to stand beside.
  if (serving.has_value()) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<GateVerdict> verdicts,
                          trial_->Run(report.pm().version()));
    for (const GateVerdict& verdict : verdicts) AddVerdict(verdict, report);
  }
  if (report.promoted()) RLHF_RETURN_IF_ERROR(RefuseIfRetracted(report));
  if (report.promoted()) RLHF_RETURN_IF_ERROR(Promote(serving, report));
  // The trials may have let it pass.
  if (report.promoted()) return absl::OkStatus();
  return trial_->EndTrials(report.verdict());
}

absl::Status CandidateVerdict::Conclude(std::optional<int64_t> compared_with,
                                        v1::PmReport& report) {
  RLHF_RETURN_IF_ERROR(registry_->SetAlias(
      "candidate", report.pm().version(),
      {.by = "refresher",
       .reason = absl::StrCat("trained on ", report.num_train(), " pairs")}));
  RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> serving,
                        registry_->Alias("serving"));
  RLHF_ASSIGN_OR_RETURN(const bool served, Served(report.pm().version()));
  if (!report.promoted() || served) return absl::OkStatus();
  if (serving == compared_with) return Try(serving, report);
  // Training takes long, and so may a restart: a trial beside another PM would
  // prove nothing.
  Refuse(absl::StrCat(Name(serving), " serves, and it was compared with ",
                      Name(compared_with)),
         report);
  return trial_->EndTrials(report.verdict());
}

}  // namespace rlhf
