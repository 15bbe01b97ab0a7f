#include "trainer/pm_mixture.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

// Two models of one objective, one of another, and one that only watches.
PmMembers Members() {
  return {.members = {{.name = "kind", .folder = "", .objective = "kind"},
                      {.name = "kind-2", .folder = "a", .objective = "kind"},
                      {.name = "safe",
                       .folder = "b",
                       .objective = "safe",
                       .weight = 2},
                      {.name = "test", .folder = "c", .objective = ""}},
          .ensemble_penalty = 0.5};
}

v1::LiveSettings Weight(const std::string& name, double weight) {
  v1::LiveSettings settings;
  settings.add_objectives()->set_name(name);
  settings.mutable_objectives(0)->set_weight(weight);
  return settings;
}

v1::Rollout Rollout(float kind, float kind2, float safe) {
  v1::Rollout rollout;
  rollout.set_rollout_id("000003/001");
  rollout.set_reward(100);
  const std::pair<const char*, float> scores[] = {
      {"test", 50}, {"safe", safe}, {"kind", kind}, {"kind-2", kind2}};
  for (const auto& [name, score] : scores) {
    v1::MemberScore& member = *rollout.add_member_scores();
    member.set_member(name);
    member.set_score(score);
  }
  return rollout;
}

TEST(PmMixtureTest, MixesAsTheRewardServerDoesWithTheNewWeight) {
  const v1::PmMixture mixture = MixtureOf(Members(), Weight("safe", -3));
  std::vector<v1::Rollout> rollouts = {Rollout(1, 3, 2), Rollout(5, 5, 0)};
  ASSERT_OK(MixRewards(mixture, rollouts));
  // Mean 2 less half of the deviation 1, less 3 times 2; and 5.
  EXPECT_EQ(rollouts[0].reward(), 1.5F - 6);
  EXPECT_EQ(rollouts[1].reward(), 5);
}

TEST(PmMixtureTest, WithoutAWeightOfItsObjectivesAPmKeepsItsRewards) {
  for (const v1::LiveSettings& settings :
       {v1::LiveSettings(), Weight("other", 3)}) {
    const v1::PmMixture mixture = MixtureOf(Members(), settings);
    EXPECT_TRUE(mixture.members().empty());
    std::vector<v1::Rollout> rollouts = {Rollout(1, 3, 2)};
    ASSERT_OK(MixRewards(mixture, rollouts));
    EXPECT_EQ(rollouts[0].reward(), 100);
  }
}

TEST(PmMixtureTest, AMissingScoreIsNamed) {
  std::vector<v1::Rollout> rollouts = {Rollout(1, 3, 2)};
  rollouts[0].clear_member_scores();
  EXPECT_THAT(MixRewards(MixtureOf(Members(), Weight("safe", 1)), rollouts),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("rollout 000003/001 has no score of PM "
                                 "member \"kind\"")));
  EXPECT_EQ(rollouts[0].reward(), 100);
}

}  // namespace
}  // namespace rlhf
