#include "core/registry/pm_members.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;

PmMembers HelpfulAndHarmless() {
  return {.members = {{"helpful", "", "helpful", 2},
                      {"helpful-2", "members/helpful-2", "helpful", 2},
                      {"harmless", "members/harmless", "harmless", -1},
                      {"test", "members/test", "", 1}},
          .ensemble_penalty = 0.5};
}

TEST(CombineScoresTest, OneMembersScoreIsTheReward) {
  EXPECT_THAT(CombineScores(PmMembers(), {{1.5F, -2}}), ElementsAre(1.5F, -2));
}

// Means 2 and 5 with deviations 1 and 0; 2 (2 - 0.5) - 7 and 2 * 5 - 8. The
// test PM's 100 counts nothing.
TEST(CombineScoresTest, WeighsObjectivesAndLowersWhatTheEnsembleIsUnsureOf) {
  EXPECT_THAT(
      CombineScores(HelpfulAndHarmless(), {{1, 5}, {3, 5}, {7, 8}, {100, 100}}),
      ElementsAre(FloatEq(-4), FloatEq(2)));
}

TEST(CombineScoresTest,
     WhatAnEnsembleIsUnsureOfLowersTheRewardWhateverItsSign) {
  const PmMembers members = {
      .members = {{"a", "", "a", -2}, {"a-2", "members/a-2", "a", -2}},
      .ensemble_penalty = 1};
  // Mean 2, deviation 1: -2 * 2 - 2 * 1.
  EXPECT_THAT(CombineScores(members, {{1}, {3}}), ElementsAre(FloatEq(-6)));
}

TEST(CombineScoresTest, OneMembersScoreIsNotRounded) {
  const float score = 0.1F + 0.2F;
  EXPECT_EQ(CombineScores(PmMembers(), {{score}})[0], score);
}

TEST(PmMembersOfTest, ReadsWhatWasWritten) {
  const Json card = {{"pm_members", ToJson(HelpfulAndHarmless())}};
  ASSERT_OK_AND_ASSIGN(const PmMembers read, PmMembersOf(card));
  ASSERT_EQ(read.members.size(), 4U);
  EXPECT_EQ(read.members[2].folder, "members/harmless");
  EXPECT_EQ(read.members[2].objective, "harmless");
  EXPECT_EQ(read.members[2].weight, -1);
  EXPECT_EQ(read.ensemble_penalty, 0.5);
}

TEST(PmMembersOfTest, ACardThatSaysNothingHasOne) {
  ASSERT_OK_AND_ASSIGN(const PmMembers read, PmMembersOf({{"version", 3}}));
  ASSERT_EQ(read.members.size(), 1U);
  EXPECT_EQ(read.members[0].name, "pm");
  EXPECT_EQ(read.members[0].folder, "");
}

TEST(PmMembersOfTest, RefusesMalformedCards) {
  for (const char* text :
       {R"({"pm_members": 3})", R"({"pm_members": {"members": []}})",
        R"({"pm_members": {"members": [1], "ensemble_penalty": 0}})",
        R"({"pm_members": {"members": [{"name": "a", "folder": "../x",
             "objective": "o", "weight": 1}], "ensemble_penalty": 0}})",
        R"({"pm_members": {"members": [{"name": "a", "folder": "",
             "objective": "", "weight": 1}], "ensemble_penalty": 0}})"}) {
    ASSERT_OK_AND_ASSIGN(const Json card, ParseJson(text));
    EXPECT_THAT(PmMembersOf(card), StatusIs(StatusCode::kInvalidArgument,
                                            HasSubstr("pm_members: ")))
        << text;
  }
}

}  // namespace
}  // namespace rlhf
