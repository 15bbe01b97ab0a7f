#include "trainer/pm_mixture.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// What the PM member `name` gave each rollout.
absl::StatusOr<std::vector<float>> ScoresOf(
    const std::string& name, const std::vector<v1::Rollout>& rollouts) {
  std::vector<float> scores;
  for (const v1::Rollout& rollout : rollouts) {
    const auto& all = rollout.member_scores();
    const auto it =
        std::find_if(all.begin(), all.end(),
                     [&](const auto& score) { return score.member() == name; });
    if (it == all.end()) {
      return absl::DataLossError(absl::StrCat(
          "rollout ", rollout.rollout_id(), " has no score of PM member \"",
          name, "\", which an order has given a weight"));
    }
    scores.push_back(it->score());
  }
  return scores;
}

}  // namespace

v1::PmMixture MixtureOf(const PmMembers& members,
                        const v1::LiveSettings& settings) {
  v1::PmMixture mixture;
  bool changed = false;
  for (const PmMember& member : members.members) {
    v1::PmMixture::Member& mixed = *mixture.add_members();
    mixed.set_name(member.name);
    mixed.set_objective(member.objective);
    mixed.set_weight(member.weight);
    for (const v1::ObjectiveWeight& objective : settings.objectives()) {
      if (objective.name() != member.objective) continue;
      mixed.set_weight(objective.weight());
      changed = true;
    }
  }
  mixture.set_ensemble_penalty(members.ensemble_penalty);
  return changed ? mixture : v1::PmMixture();
}

absl::Status MixRewards(const v1::PmMixture& mixture,
                        std::vector<v1::Rollout>& rollouts) {
  if (mixture.members().empty() || rollouts.empty()) return absl::OkStatus();
  PmMembers members = {.members = {},
                       .ensemble_penalty = mixture.ensemble_penalty()};
  std::vector<std::vector<float>> score_MS;
  for (const v1::PmMixture::Member& member : mixture.members()) {
    members.members.push_back({.name = member.name(),
                               .objective = member.objective(),
                               .weight = member.weight()});
    RLHF_ASSIGN_OR_RETURN(score_MS.emplace_back(),
                          ScoresOf(member.name(), rollouts));
  }
  const std::vector<float> rewards = CombineScores(members, score_MS);
  for (size_t i = 0; i < rollouts.size(); ++i) {
    rollouts[i].set_reward(rewards[i]);
  }
  return absl::OkStatus();
}

}  // namespace rlhf
