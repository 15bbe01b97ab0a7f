#include "trainer/preference/gate.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(DecidePromotionTest, PromotesTheFirstPmAboveTheMinimum) {
  const GateVerdict verdict =
      DecidePromotion({.candidate = {60, 100}, .min_accuracy = 0.55});
  EXPECT_TRUE(verdict.promote);
  // Wilson: 50.2 to 69.1.
  EXPECT_THAT(
      verdict.reason,
      StartsWith("promoted: 60 of 100 held-out pairs right (60.0 %, 95 % "
                 "interval 50.2 to 69.1), minimum 55.0 %; it is the "
                 "first"));
}

TEST(DecidePromotionTest, RefusesBelowTheMinimum) {
  const GateVerdict verdict =
      DecidePromotion({.candidate = {54, 100}, .min_accuracy = 0.55});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason, StartsWith("refused: 54 of 100 held-out"));
  EXPECT_THAT(verdict.reason, HasSubstr("below the minimum of 55.0 %"));
}

TEST(DecidePromotionTest, TheMinimumItselfPasses) {
  EXPECT_TRUE(
      DecidePromotion({.candidate = {55, 100}, .min_accuracy = 0.55}).promote);
}

TEST(DecidePromotionTest, ADropUpToTheLimitPasses) {
  // 0.80 - 0.77 is a hair more than 0.03 in float64.
  EXPECT_TRUE(DecidePromotion({.candidate = {77, 100},
                               .incumbent = Incumbent{{80, 100}, {10, 13}}})
                  .promote);
  const GateVerdict verdict = DecidePromotion(
      {.candidate = {76, 100}, .incumbent = Incumbent{{80, 100}, {10, 14}}});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason, HasSubstr("the serving PM got 80 right ("));
  EXPECT_THAT(verdict.reason, HasSubstr("change -4.0 points, limit -3.0; "));
}

// 2 points are within the limit, but 20 to 80 is not chance: the sign test's
// probability is about 6e-10.
TEST(DecidePromotionTest, RefusesASmallDropThatIsSurelyOne) {
  const GateVerdict verdict =
      DecidePromotion({.candidate = {2100, 3000},
                       .incumbent = Incumbent{{2160, 3000}, {20, 80}}});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason, StartsWith("refused as worse than the serving "
                                         "PM: 2100 of 3000 held-out pairs"));
  EXPECT_THAT(verdict.reason,
              HasSubstr("20 pairs gained, 80 lost, sign test p = 5.6e-10"));
}

// 140 to 160 comes by chance with probability 0.13.
TEST(DecidePromotionTest, ADropThatMayBeChancePasses) {
  EXPECT_TRUE(
      DecidePromotion({.candidate = {2100, 3000},
                       .incumbent = Incumbent{{2120, 3000}, {140, 160}}})
          .promote);
}

// On 3,000 pairs, 25 % of them discordant: a candidate that is 5 points worse,
// and one that is as good as the serving PM.
TEST(DecidePromotionTest, ThreeThousandPairsTellBadFromEqual) {
  std::mt19937_64 random(7);
  int bad_promoted = 0, equal_refused = 0;
  const auto decide = [&](double candidate_share) {
    std::binomial_distribution<int64_t> discordant(3000, 0.25);
    const int64_t count = discordant(random);
    std::binomial_distribution<int64_t> ours(count, candidate_share);
    const int64_t only_candidate = ours(random);
    const Discordance found = {only_candidate, count - only_candidate};
    return DecidePromotion(
               {.candidate = {2000 + found.only_candidate_right, 3000},
                .incumbent =
                    Incumbent{{2000 + found.only_incumbent_right, 3000},
                              found}})
        .promote;
  };
  for (int i = 0; i < 100; ++i) {
    // 0.4 of 25 % against 0.6 of 25 %: 5 points.
    bad_promoted += decide(0.4) ? 1 : 0;
    equal_refused += decide(0.5) ? 0 : 1;
  }
  EXPECT_EQ(bad_promoted, 0);
  EXPECT_LE(equal_refused, 5);
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

// Without an incumbent 2.8954 * sqrt(0.42 / n): 26.0 points of 52 pairs, 2.7 of
// 5,000.
TEST(DecidePromotionTest, SaysWhatItCanSee) {
  EXPECT_THAT(DecidePromotion({.candidate = {40, 52}}).reason,
              HasSubstr("; smoke check: only real drops from 26.0 points "
                        "on would be noticed 4 times in 5"));
  EXPECT_THAT(DecidePromotion({.candidate = {3500, 5000}}).reason,
              HasSubstr("; only real drops from 2.7 points on would be"));
}

TEST(DecidePromotionTest, FewPairsWithoutDisagreementAreASmokeCheck) {
  EXPECT_THAT(DecidePromotion(
                  {.candidate = {8, 8}, .incumbent = Incumbent{{8, 8}, {0, 0}}})
                  .reason,
              HasSubstr("; smoke check: "));
}

TEST(DecidePromotionDeathTest, DiesOnDifferentComparisons) {
  EXPECT_DEATH(DecidePromotion(
                   {.candidate = {1, 2}, .incumbent = Incumbent{{1, 3}, {}}}),
               "2 pairs, incumbent on 3");
}

}  // namespace
}  // namespace rlhf
