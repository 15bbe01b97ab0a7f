// The final against the initial policy, by the gold judge, on prompts that were
// never trained on.
#pragma once

#include "absl/status/statusor.h"
#include "crowd/gold_judge.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// Samples one response per held-out prompt from each policy, at the run's
// temperature and with the same draws, and lets `judge` choose.
//
// Errors: FailedPrecondition if no final policy is in the registry, or none or
// too few prompts are held out; those of the judge.
absl::StatusOr<v1::GoldEvaluation> EvaluateGold(const v1::RunConfig& config,
                                                GoldJudge& judge);

}  // namespace rlhf
