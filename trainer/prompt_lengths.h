// Whether every prompt fits the actors.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "rlhf/v1/common.pb.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// The actors would refuse a prompt that is too long, one by one and for ever;
// better to say so before anything starts.
//
// Errors: InvalidArgument, with the prompt's first words and its length, if it
// takes more than sampling.max_prompt_tokens, its chat template included, or if
// the longest one leaves no room for max_new_tokens in the model's positions;
// those of the policy's tokenizer and template.
absl::Status CheckPromptLengths(const v1::RunConfig& config,
                                const std::vector<v1::Prompt>& prompts);

}  // namespace rlhf
