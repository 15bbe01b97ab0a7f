// The verbs' functions; cli/verbs.cc puts them into the table.
#pragma once

#include "absl/status/status.h"
#include "cli/flags.h"

namespace rlhf {

absl::Status UpVerb(const Flags& flags);
absl::Status StatusVerb(const Flags& flags);
absl::Status TopVerb(const Flags& flags);
absl::Status WaitVerb(const Flags& flags);
absl::Status LearnerVerb(const Flags& flags);
absl::Status ActorVerb(const Flags& flags);
absl::Status RewardServerVerb(const Flags& flags);
absl::Status RefresherVerb(const Flags& flags);
absl::Status FeedbackVerb(const Flags& flags);
absl::Status CrowdVerb(const Flags& flags);
absl::Status TokenizeVerb(const Flags& flags);
absl::Status GenerateVerb(const Flags& flags);
absl::Status ScoreVerb(const Flags& flags);
absl::Status PmVerb(const Flags& flags);
absl::Status ControlVerb(const Flags& flags);
absl::Status OodVerb(const Flags& flags);

absl::Status LineageVerb(const Flags& flags);
absl::Status TraceVerb(const Flags& flags);
absl::Status EloVerb(const Flags& flags);
absl::Status ReportVerb(const Flags& flags);
absl::Status EvalVerb(const Flags& flags);
absl::Status PlanVerb(const Flags& flags);
absl::Status DoctorVerb(const Flags& flags);
absl::Status ReplayVerb(const Flags& flags);
absl::Status ConfigVerb(const Flags& flags);
absl::Status VersionVerb(const Flags& flags);

}  // namespace rlhf
