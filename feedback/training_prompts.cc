#include "feedback/training_prompts.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/text/prompt_set.h"

namespace rlhf {

absl::StatusOr<std::vector<v1::Prompt>> LoadTrainingPrompts(
    const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(std::vector<v1::Prompt> prompts,
                        ReadPrompts(config.prompts()));
  PromptSplit split =
      SplitPrompts(std::move(prompts), config.held_out_prompt_share());
  if (split.training.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        config.prompts(), ": all ", split.held_out.size(),
        " prompts are held out for evaluation; give more prompts, or a smaller "
        "held_out_prompt_share"));
  }
  return std::move(split.training);
}

}  // namespace rlhf
