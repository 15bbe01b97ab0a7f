#include "cli/run_checks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/registry/model_registry.h"
#include "core/text/prompt_set.h"

namespace rlhf {
namespace {

absl::Status CheckRefreshPlan(const v1::RunConfig& config) {
  const v1::PreferenceConfig& preference = config.preference();
  const int64_t first = preference.refresh_at().empty()
                            ? preference.refresh_every()
                            : preference.refresh_at(0);
  if (first == 0) {
    return absl::InvalidArgumentError(
        "preference.refresh_at and preference.refresh_every: no preference "
        "model is planned and none serves, so PPO would wait for ever; say at "
        "how many comparisons the first one is trained, such as --set "
        "preference.refresh_every=64");
  }
  const int64_t most = config.feedback().max_comparisons();
  if (most == 0 || most >= first) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "feedback.max_comparisons is ", most,
      ", but the first preference model is due at ", first,
      " comparisons (preference.refresh_at, refresh_every): PPO would wait for "
      "ever; raise the one or lower the other"));
}

absl::Status CheckPrompts(const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(std::vector<v1::Prompt> prompts,
                        ReadPrompts(config.prompts()));
  const PromptSplit split =
      SplitPrompts(std::move(prompts), config.held_out_prompt_share());
  if (split.training.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        config.prompts(),
        ": every prompt is held out; lower held_out_prompt_share or add "
        "prompts"));
  }
  const auto held_out = static_cast<int64_t>(split.held_out.size());
  if (held_out >= config.evaluation().num_prompts()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "evaluation.num_prompts is ", config.evaluation().num_prompts(),
      ", but held_out_prompt_share ", config.held_out_prompt_share(), " of ",
      config.prompts(), " leaves ", held_out,
      " prompts that are not trained on; lower the first, raise the second, or "
      "add prompts"));
}

}  // namespace

absl::Status CheckRunCanFinish(const v1::RunConfig& config,
                               const std::string& run_dir) {
  RLHF_RETURN_IF_ERROR(CheckPrompts(config));
  RLHF_ASSIGN_OR_RETURN(
      const std::optional<int64_t> serving,
      ModelRegistry(run_dir + "/registry/pm").Alias("serving"));
  return serving.has_value() ? absl::OkStatus() : CheckRefreshPlan(config);
}

}  // namespace rlhf
