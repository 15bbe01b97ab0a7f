// The final against the initial policy, by the gold rule, on prompts that were
// never trained on.
#pragma once

#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Samples one response per held-out prompt from each policy, at the run's
// temperature and with the same draws, and lets GoldScore judge.
//
// Errors: FailedPrecondition if no final policy is in the registry or too few
// prompts are held out.
absl::StatusOr<v1::GoldEvaluation> EvaluateGold(const v1::RunConfig& config);

}  // namespace rlhf
