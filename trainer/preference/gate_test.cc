#include "trainer/preference/gate.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(DecidePromotionTest, PromotesTheFirstPmAboveTheMinimum) {
  const GateVerdict verdict =
      DecidePromotion({.candidate = {60, 100}, .min_accuracy = 0.55});
  EXPECT_TRUE(verdict.promote);
  // Wilson: 50.2 to 69.1.
  EXPECT_THAT(verdict.reason,
              StartsWith("promoted: held-out accuracy 60.0 % (60 of 100, 95 % "
                         "interval 50.2 to 69.1), minimum 55.0 %; no PM "
                         "serves"));
}

TEST(DecidePromotionTest, RefusesBelowTheMinimum) {
  const GateVerdict verdict =
      DecidePromotion({.candidate = {54, 100}, .min_accuracy = 0.55});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason, StartsWith("refused: held-out accuracy 54.0 %"));
  EXPECT_THAT(verdict.reason, HasSubstr("below the minimum of 55.0 %"));
}

TEST(DecidePromotionTest, TheMinimumItselfPasses) {
  EXPECT_TRUE(
      DecidePromotion({.candidate = {55, 100}, .min_accuracy = 0.55}).promote);
}

TEST(DecidePromotionTest, ADropUpToTheLimitPasses) {
  const HeldOutResult incumbent = {80, 100};
  // 0.80 - 0.77 is a hair more than 0.03 in float64.
  EXPECT_TRUE(DecidePromotion({.candidate = {77, 100}, .incumbent = incumbent})
                  .promote);
  const GateVerdict verdict =
      DecidePromotion({.candidate = {76, 100}, .incumbent = incumbent});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason, HasSubstr("serving PM 80.0 % (80 of 100"));
  EXPECT_THAT(verdict.reason,
              HasSubstr("change -4.0 points, at most -3.0 allowed"));
}

TEST(DecidePromotionTest, RefusesLossesThatAreNotFinite) {
  const GateVerdict verdict =
      DecidePromotion({.candidate = {99, 100}, .losses_finite = false});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason, HasSubstr("not finite"));
}

TEST(DecidePromotionTest, RefusesWithoutEvidence) {
  const GateVerdict verdict = DecidePromotion({.candidate = {0, 0}});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason, HasSubstr("no held-out comparisons"));
}

TEST(DecidePromotionTest, SaysWhenItIsASmokeCheckOnly) {
  EXPECT_THAT(DecidePromotion({.candidate = {40, 52}}).reason,
              HasSubstr("smoke check only: 52 held-out pairs; about 3,050 are "
                        "needed to see a 3-point drop"));
  EXPECT_THAT(DecidePromotion({.candidate = {2000, 3050}}).reason,
              Not(HasSubstr("smoke check")));
}

TEST(DecidePromotionDeathTest, DiesOnDifferentComparisons) {
  EXPECT_DEATH(
      DecidePromotion({.candidate = {1, 2}, .incumbent = HeldOutResult{1, 3}}),
      "2 pairs, incumbent on 3");
}

}  // namespace
}  // namespace rlhf
