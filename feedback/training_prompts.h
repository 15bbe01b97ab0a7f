// The prompts that may be trained on.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "rlhf/v1/common.pb.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// The prompts of `config.prompts()` without those held out for evaluation.
//
// Errors: as reading the prompts; InvalidArgument if none is left.
absl::StatusOr<std::vector<v1::Prompt>> LoadTrainingPrompts(
    const v1::RunConfig& config);

}  // namespace rlhf
