#include "trainer/pm_plan.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/text/prompt_id.h"
#include "trainer/pm_data.h"
#include "trainer/preference/worker_model.h"

namespace rlhf {
namespace {

constexpr char kTestHalf[] = "test PM";

// Names one comparison, in the log or not.
std::string NameOf(const PmExample& example) {
  return absl::StrCat(example.prompt_id, "/", example.seq, "/",
                      example.chosen.size(), "/", example.rejected.size());
}

// Copies of one that counts `weight` times: 2.3 is 2 or, for three in ten, 3.
int64_t CopiesOf(const PmExample& example, const v1::PreferenceConfig& config) {
  for (const v1::PmSource& source : config.sources()) {
    if (!ComesFrom(example.source, source.from())) continue;
    const double whole = std::floor(source.weight());
    const bool one_more = HashFraction(NameOf(example), "source weight") <
                          source.weight() - whole;
    return static_cast<int64_t>(whole) + (one_more ? 1 : 0);
  }
  return 1;
}

bool IsOfTestHalf(const PmExample& example) {
  return HashFraction(example.prompt_id, kTestHalf) < 0.5;
}

std::vector<v1::PmObjective> ObjectivesOf(const v1::PreferenceConfig& config) {
  if (!config.objectives().empty()) {
    return {config.objectives().begin(), config.objectives().end()};
  }
  v1::PmObjective all;
  all.set_name("pm");
  return {all};
}

bool IsOf(const PmExample& example, const v1::PmObjective& objective) {
  return objective.from().empty() ||
         ComesFrom(example.source, objective.from());
}

std::vector<PmExample> Select(const v1::PreferenceConfig& config,
                              const v1::PmObjective* objective, bool test_half,
                              const std::vector<PmExample>& training) {
  std::vector<PmExample> selected;
  for (const PmExample& example : training) {
    if (config.test_pm() && IsOfTestHalf(example) != test_half) continue;
    if (objective != nullptr && !IsOf(example, *objective)) continue;
    for (int64_t n = CopiesOf(example, config); n > 0; --n) {
      selected.push_back(example);
    }
  }
  return selected;
}

PmMember MakeMember(const v1::PmObjective& objective, int number, bool first) {
  PmMember member = {.name = objective.name(),
                     .objective = objective.name(),
                     .weight = objective.weight()};
  if (number > 0) absl::StrAppend(&member.name, "-", number + 1);
  if (!first) member.folder = absl::StrCat("members/", member.name);
  return member;
}

}  // namespace

std::vector<MemberPlan> PlanMembers(const v1::PreferenceConfig& config,
                                    const std::vector<PmExample>& training,
                                    uint64_t seed) {
  std::vector<MemberPlan> plans;
  for (const v1::PmObjective& objective : ObjectivesOf(config)) {
    for (int number = 0; number < config.ensemble_size(); ++number) {
      plans.push_back({.member = MakeMember(objective, number, plans.empty()),
                       .training = Select(config, &objective, false, training),
                       .seed = number == 0 ? seed : MixHash(seed, number)});
    }
  }
  if (config.test_pm()) {
    plans.push_back(
        {.member = {.name = "test", .folder = "members/test", .objective = ""},
         .training = Select(config, nullptr, true, training),
         .seed = seed});
  }
  for (MemberPlan& plan : plans) {
    CapWorkerShares(config.max_worker_share(), plan.training);
  }
  return plans;
}

std::vector<PmExample> UsedByMembers(const v1::PreferenceConfig& config,
                                     const std::vector<PmExample>& training) {
  const std::vector<v1::PmObjective> objectives = ObjectivesOf(config);
  std::vector<PmExample> used;
  for (const PmExample& example : training) {
    if (CopiesOf(example, config) == 0) continue;
    // The test PM takes its half whatever the objectives are.
    if ((config.test_pm() && IsOfTestHalf(example)) ||
        std::any_of(objectives.begin(), objectives.end(),
                    [&](const v1::PmObjective& objective) {
                      return IsOf(example, objective);
                    })) {
      used.push_back(example);
    }
  }
  return used;
}

PmMembers MembersOf(const v1::PreferenceConfig& config,
                    const std::vector<MemberPlan>& plans) {
  PmMembers members = {.members = {},
                       .ensemble_penalty = config.ensemble_penalty()};
  for (const MemberPlan& plan : plans) members.members.push_back(plan.member);
  return members;
}

std::vector<PmExample> FreshAndReplayed(const std::vector<PmExample>& training,
                                        int64_t trained_on, double replay_share,
                                        uint64_t draw) {
  std::vector<PmExample> selected;
  const std::string salt = absl::StrCat("replay ", draw);
  for (const PmExample& example : training) {
    if (example.seq > trained_on ||
        HashFraction(NameOf(example), salt) < replay_share) {
      selected.push_back(example);
    }
  }
  return selected;
}

}  // namespace rlhf
