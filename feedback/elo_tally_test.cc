#include "feedback/elo_tally.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

class EloTallyTest : public ::testing::Test {
 protected:
  void Add(int64_t a, int64_t b, v1::Choice choice, int times = 1) {
    for (int i = 0; i < times; ++i) {
      v1::Comparison comparison;
      comparison.set_seq(tally_.last_seq() + 1);
      comparison.set_policy_version_a(a);
      comparison.set_policy_version_b(b);
      comparison.set_choice(choice);
      tally_.Add(comparison);
    }
  }

  EloTally tally_;
};

TEST_F(EloTallyTest, RatingsFollowFromWhoWonWhicheverWasA) {
  Add(0, 4, v1::A_BETTER, 10);
  Add(4, 0, v1::A_BETTER, 30);
  ASSERT_OK_AND_ASSIGN(const Json json, tally_.ToJson());
  EXPECT_EQ(json["zero"], 0);
  EXPECT_EQ(json["games"], 40);
  ASSERT_EQ(json["players"].size(), 2u);
  EXPECT_EQ(json["players"][0]["elo"], 0);
  const Json& other = json["players"][1];
  EXPECT_EQ(other["version"], 4);
  EXPECT_EQ(other["wins"], 30);
  // 400 log10(30 / 10).
  EXPECT_NEAR(other["elo"], 190.85, 0.01);
  // 400 / ln 10 times 1.96 / sqrt(40 * 3/4 * 1/4).
  EXPECT_NEAR(other["high"].get<double>() - other["elo"].get<double>(), 124.3,
              0.1);
}

TEST_F(EloTallyTest, WhoNeverLostHasNoRating) {
  Add(2, 0, v1::A_BETTER, 3);
  ASSERT_OK_AND_ASSIGN(const Json json, tally_.ToJson());
  EXPECT_EQ(json["players"][1]["placement"], "above");
  EXPECT_FALSE(json["players"][1].contains("elo"));
}

TEST_F(EloTallyTest, WhatIsNoGameIsCountedApart) {
  Add(0, 0, v1::A_BETTER, 2);
  Add(-1, 0, v1::A_BETTER, 3);
  Add(0, 5, v1::RETRACTED, 4);
  ASSERT_OK_AND_ASSIGN(Json json, tally_.ToJson());
  EXPECT_TRUE(json["zero"].is_null());
  EXPECT_EQ(json["players"].size(), 0u);
  EXPECT_EQ(json["one_version"], 2);
  EXPECT_EQ(json["unknown_version"], 3);
  EXPECT_EQ(json["counted_seq"], 9);
  Add(3, 5, v1::TIE);
  ASSERT_OK_AND_ASSIGN(json, tally_.ToJson());
  EXPECT_EQ(json["zero"], 3);
  EXPECT_EQ(json["undecided"], 1);
  EXPECT_EQ(json["players"][1]["placement"], "not connected");
}

TEST_F(EloTallyTest, ExtraAnswersPlayInNoGame) {
  v1::Comparison late;
  late.set_seq(1);
  late.set_policy_version_b(5);
  late.set_choice(v1::A_BETTER);
  late.set_extra(true);
  tally_.Add(late);
  ASSERT_OK_AND_ASSIGN(const Json json, tally_.ToJson());
  EXPECT_EQ(json["counted_seq"], 1);
  EXPECT_EQ(json["games"], 0);
  EXPECT_EQ(json["players"].size(), 0u);
}

TEST_F(EloTallyTest, TooManyVersionsAreForTheVerb) {
  for (int i = 0; i <= static_cast<int>(EloTally::kMaxVersions); ++i) {
    Add(i, i + 1, v1::A_BETTER);
  }
  EXPECT_THAT(
      tally_.ToJson().status(),
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("rlhf elo")));
}

}  // namespace
}  // namespace rlhf
