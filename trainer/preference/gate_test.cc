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
      DecidePromotion({.candidate = {60, 100}}, {.min_accuracy = 0.55});
  EXPECT_TRUE(verdict.promote);
  // Wilson: 50.2 to 69.1.
  EXPECT_THAT(verdict.reason,
              StartsWith("passed: 60 of 100 held-out pairs right (60.0 %, 95 % "
                         "interval 50.2 to 69.1), minimum 55.0 %; it is the "
                         "first"));
}

TEST(DecidePromotionTest, RefusesBelowTheMinimum) {
  const GateVerdict verdict =
      DecidePromotion({.candidate = {54, 100}}, {.min_accuracy = 0.55});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason, StartsWith("refused: 54 of 100 held-out"));
  EXPECT_THAT(verdict.reason, HasSubstr(", minimum 55.0 %"));
}

TEST(DecidePromotionTest, TheMinimumItselfPasses) {
  EXPECT_TRUE(DecidePromotion({.candidate = {55, 100}}, {.min_accuracy = 0.55})
                  .promote);
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
  EXPECT_THAT(verdict.reason, StartsWith("refused: the serving PM got 2160"));
  EXPECT_THAT(verdict.reason,
              HasSubstr("20 pairs gained, 80 lost, sign test p = 5.6e-10, "
                        "below 0.01"));
}

// 140 to 160 comes by chance with probability 0.13.
TEST(DecidePromotionTest, ADropThatMayBeChancePasses) {
  EXPECT_TRUE(
      DecidePromotion({.candidate = {2100, 3000},
                       .incumbent = Incumbent{{2120, 3000}, {140, 160}}})
          .promote);
}

// On 3,000 pairs, 25 % of them discordant: a candidate that is 5 points worse
// passes less than twice in 1,000 times, and one that is as good as the serving
// PM is refused once in 100.
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
  for (int i = 0; i < 10'000; ++i) {
    // 0.4 of 25 % against 0.6 of 25 %: 5 points.
    bad_promoted += decide(0.4) ? 1 : 0;
    equal_refused += decide(0.5) ? 0 : 1;
  }
  EXPECT_LT(bad_promoted, 20);
  EXPECT_LT(equal_refused, 120);
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
              HasSubstr("; smoke check: only real drops from 28.5 points "
                        "on would be noticed 4 times in 5"));
  EXPECT_THAT(DecidePromotion({.candidate = {3500, 5000}}).reason,
              HasSubstr("; only real drops from 2.9 points on would be"));
}

TEST(DecidePromotionTest, TwoPairsShowNoDropAndItSaysSo) {
  EXPECT_THAT(DecidePromotion({.candidate = {1, 2}}).reason,
              HasSubstr("; smoke check: so few pairs show no drop reliably"));
}

TEST(DecidePromotionTest, FewPairsWithoutDisagreementAreASmokeCheck) {
  EXPECT_THAT(DecidePromotion(
                  {.candidate = {8, 8}, .incumbent = Incumbent{{8, 8}, {0, 0}}})
                  .reason,
              HasSubstr("; smoke check: "));
}

// 30 of 150 pairs lost and none gained is no chance, 16 points are more than
// 10; over all 3,000 pairs it is a point.
TEST(DecidePromotionTest, RefusesOneBadSlice) {
  Incumbent incumbent = {{2100, 3000}, {24, 30}};
  incumbent.slices = {{"turn", "1", 2850, {24, 6}},
                      {"turn", "7", 150, {0, 24}}};
  const GateVerdict verdict =
      DecidePromotion({.candidate = {2094, 3000}, .incumbent = incumbent});
  EXPECT_FALSE(verdict.promote);
  EXPECT_THAT(verdict.reason,
              StartsWith("refused: turn 7: change -16.0 points on 150 pairs, "
                         "limit -10.0, sign test p = 6e-08"));
  // Of 99 pairs nothing is said.
  incumbent.slices[1].num_pairs = 99;
  EXPECT_TRUE(
      DecidePromotion({.candidate = {2094, 3000}, .incumbent = incumbent})
          .promote);
}

TEST(DecidePromotionTest, RefusesAMiscalibratedPmAndOneThatLikesLength) {
  EXPECT_THAT(
      DecidePromotion({.candidate = {70, 100}, .calibration_error_low = 0.16})
          .reason,
      StartsWith("refused: expected calibration error at least 0.160, "
                 "limit 0.150"));
  EXPECT_THAT(
      DecidePromotion({.candidate = {70, 100}, .length_bias = -0.21}).reason,
      StartsWith("refused: prefers the longer response -21.0 points more"));
  EXPECT_TRUE(DecidePromotion({.candidate = {70, 99},
                               .calibration_error_low = 0.16,
                               .length_bias = -0.21})
                  .promote)
      << "too few pairs to speak of";
}

TEST(DecidePromotionTest, AFindingForEveryLook) {
  Incumbent incumbent = {{70, 100}, {5, 5}};
  incumbent.slices = {{"source", "page", 100, {5, 5}}};
  std::vector<std::string> names;
  for (const GateFinding& finding :
       DecidePromotion({.candidate = {70, 100}, .incumbent = incumbent})
           .findings) {
    names.push_back(finding.name);
    EXPECT_TRUE(finding.passed) << finding.detail;
  }
  EXPECT_THAT(names, ::testing::ElementsAre("accuracy", "incumbent",
                                            "slice source page", "calibration",
                                            "length bias"));
}

TEST(DecideShadowTest, LooksAtOrderAndOffset) {
  const ShadowEvidence evidence = {.num_dialogues = 64,
                                   .num_wanted = 64,
                                   .rank_correlation = 0.4,
                                   .agreement = 0.65,
                                   .mean = 3,
                                   .serving_mean = 1,
                                   .serving_deviation = 0.5};
  EXPECT_TRUE(DecideShadow(evidence, {}).promote);
  EXPECT_THAT(DecideShadow(evidence, {.min_rank_correlation = 0.5}).reason,
              StartsWith("refused: rank correlation +0.400, minimum +0.500"));
  EXPECT_THAT(DecideShadow(evidence, {.min_agreement = 0.7}).reason,
              StartsWith("refused: agreement 0.650, minimum 0.700"));
  EXPECT_THAT(DecideShadow(evidence, {.max_score_offset = 3}).reason,
              StartsWith("refused: mean score +4.00 standard deviations from "
                         "the serving PM's, limit 3.00"));
}

TEST(DecideShadowTest, WhoScoredNothingIsRefused) {
  EXPECT_THAT(DecideShadow({.num_wanted = 64}, {}).reason,
              StartsWith("refused: beside the serving PM on 0 live dialogues "
                         "of 64 wanted"));
}

TEST(DecideShadowTest, AFewDialoguesSayNothingOfOrder) {
  EXPECT_TRUE(
      DecideShadow(
          {.num_dialogues = 7, .num_wanted = 64, .rank_correlation = -1},
          {.min_rank_correlation = 0.5})
          .promote);
}

TEST(DecideCanaryTest, AnUpdateThatDivergedIsARefusal) {
  EXPECT_TRUE(DecideCanary({.num_updates = 3}).promote);
  EXPECT_THAT(DecideCanary({.num_updates = 3, .num_left_out = 1}).reason,
              StartsWith("refused: rewarded 3 updates on trial, 0 wanted, 1 of "
                         "them diverged"));
  EXPECT_FALSE(DecideCanary({.num_updates = 3, .num_wanted = 4}).promote);
}

TEST(DecideCanaryTest, ADialogueThatItCannotScoreIsARefusal) {
  EXPECT_THAT(
      DecideCanary({.num_updates = 3, .scoring_error = "too long"}).reason,
      StartsWith("refused: could not score a live dialogue: too long"));
}

TEST(DecidePromotionDeathTest, DiesOnDifferentComparisons) {
  EXPECT_DEATH(DecidePromotion(
                   {.candidate = {1, 2}, .incumbent = Incumbent{{1, 3}, {}}}),
               "2 pairs, incumbent on 3");
}

}  // namespace
}  // namespace rlhf
