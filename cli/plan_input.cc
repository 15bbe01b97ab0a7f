#include "cli/plan_input.h"

#include "core/base/status_macros.h"
#include "core/nn/model_directory.h"

namespace rlhf {

absl::StatusOr<PlanInput> PlanInputOf(const v1::RunConfig& config,
                                      int64_t ranks, int64_t prompt_tokens,
                                      const std::string& shape) {
  PlanInput input = {
      .ranks = ranks,
      .recompute_activations = config.learner().recompute_activations(),
      .lora_rank = config.learner().lora().rank(),
      .dtype_bytes = config.learner().dtype() == v1::BFLOAT16 ? 2 : 4,
      .micro_batch_tokens = config.learner().micro_batch_tokens()};
  if (shape.empty()) {
    RLHF_ASSIGN_OR_RETURN(input.policy,
                          LoadModelConfig(config.initial_policy()));
  } else {
    RLHF_ASSIGN_OR_RETURN(input.policy, NamedShape(shape));
  }
  if (config.ppo().critic() == v1::PpoConfig::SEPARATE) {
    // Another shape stands for all models of the run.
    const std::string& directory = config.ppo().critic_model();
    input.critic = input.policy;
    if (shape.empty() && !directory.empty()) {
      RLHF_ASSIGN_OR_RETURN(input.critic, LoadModelConfig(directory));
    }
    input.critic->head = ModelConfig::Head::kScore;
  }
  input.work = WorkOf(config.ppo(), input.micro_batch_tokens, input.ranks,
                      prompt_tokens, config.sampling().max_new_tokens());
  return input;
}

}  // namespace rlhf
