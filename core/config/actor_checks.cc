#include "core/config/actor_checks.h"

#include "absl/strings/str_cat.h"

namespace rlhf {

void CheckActor(const v1::RunConfig& config,
                std::vector<FieldProblem>& problems) {
  const v1::ActorConfig& actor = config.actor();
  const int64_t longest = int64_t{config.sampling().max_prompt_tokens()} +
                          config.sampling().max_new_tokens();
  if (actor.max_cache_tokens() > 0 && actor.max_cache_tokens() < longest) {
    problems.push_back(
        {"actor.max_cache_tokens",
         absl::StrCat("is ", actor.max_cache_tokens(), "; wanted at least ",
                      longest,
                      ", sampling.max_prompt_tokens and "
                      "sampling.max_new_tokens together, or 0")});
  }
  if (actor.on_new_policy() != v1::ActorConfig::FINISH_SEQUENCES &&
      (config.ppo().max_staleness() == 0 ||
       config.ppo().behaviour_weight_cap() == 0)) {
    problems.push_back(
        {"actor.on_new_policy",
         "makes rollouts whose tokens are of several policy versions, which "
         "only decoupled PPO can weigh: wanted ppo.max_staleness and "
         "ppo.behaviour_weight_cap above 0, or FINISH_SEQUENCES"});
  }
}

}  // namespace rlhf
