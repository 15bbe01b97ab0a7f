// The prompts of a run: read from JSONL, split into those that may be trained
// on and those that only evaluate.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/json.h"
#include "core/text/chat_format.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

// InvalidArgument unless `messages` are some, of known roles, the last one the
// user's.
absl::Status CheckPrompt(const Messages& messages);

// A prompt from {"prompt": TEXT} (one user message) or {"messages": [{"role",
// "content"}, …]}.
// Errors: InvalidArgument saying what is missing.
absl::StatusOr<v1::Prompt> ParsePrompt(const Json& json);

// Reads a JSONL file of prompts; empty lines are skipped, repeated prompts kept
// once.
//
// Errors: NotFound; InvalidArgument as "path:line: what", or if there is no
// prompt at all.
absl::StatusOr<std::vector<v1::Prompt>> ReadPrompts(const std::string& path);

struct PromptSplit {
  std::vector<v1::Prompt> training;
  std::vector<v1::Prompt> held_out;
};

// Splits by the hash of each prompt; about `held_out_share` is held out.
PromptSplit SplitPrompts(std::vector<v1::Prompt> prompts,
                         double held_out_share);

}  // namespace rlhf
