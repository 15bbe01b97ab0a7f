// What the configuration of a run says to the plan of its learner.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/parallel/plan.h"

namespace rlhf {

// Of `ranks` ranks, prompts of `prompt_tokens` and responses as long as they
// may be. `shape` as NamedShape, in place of all the run's models; empty:
// these. Never sharded.
//
// Errors: those of LoadModelConfig, NamedShape.
absl::StatusOr<PlanInput> PlanInputOf(const v1::RunConfig& config,
                                      int64_t ranks, int64_t prompt_tokens,
                                      const std::string& shape = "");

}  // namespace rlhf
