#include "trainer/preference/paired_test.h"

#include <cmath>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(PairedTest, OnlyDisagreementCounts) {
  const auto pairs = [](const std::vector<double>& margins) {
    std::vector<MeasuredPair> result;
    for (const double margin : margins) {
      result.push_back({.chosen_score = margin});
    }
    return result;
  };
  const Discordance found = CountDiscordance(
      pairs({1.0, -1.0, 2.0, -0.5, 0.0}), pairs({1.0, 1.0, -1.0, -2.0, 1.0}));
  EXPECT_EQ(found.only_candidate_right, 1);
  EXPECT_EQ(found.only_incumbent_right, 2);
}

// (C(10,0) + C(10,1) + C(10,2)) / 2^10 = 56 / 1024.
TEST(PairedTest, TheProbabilityIsThatOfTheSignTest) {
  EXPECT_NEAR(ProbabilityOfChance(
                  {.only_candidate_right = 2, .only_incumbent_right = 8}),
              56.0 / 1024, 1e-12);
  EXPECT_NEAR(ProbabilityOfChance(
                  {.only_candidate_right = 0, .only_incumbent_right = 3}),
              1.0 / 8, 1e-12);
  EXPECT_DOUBLE_EQ(ProbabilityOfChance({}), 1);
  EXPECT_DOUBLE_EQ(ProbabilityOfChance({.only_candidate_right = 5}), 1);
}

TEST(PairedTest, ManyPairsDoNotOverflow) {
  const double chance = ProbabilityOfChance(
      {.only_candidate_right = 50'000, .only_incumbent_right = 50'000});
  // Half, and half of the middle term, 1 / sqrt(pi n / 2).
  EXPECT_NEAR(chance, 0.5 + 0.5 / std::sqrt(3.14159265 * 50'000), 1e-5);
}

// Of 3,000 pairs a quarter discordant: 2.8954 * sqrt(0.25 / 3000).
TEST(PairedTest, TheVisibleDropShrinksWithTheRootOfThePairs) {
  EXPECT_NEAR(VisibleDrop(3000, 0.25, 0.02), 0.026431, 1e-5);
  // Quantiles 2.3263 and 0.8416.
  EXPECT_NEAR(VisibleDrop(3000, 0.25, 0.01), 0.028919, 1e-5);
  EXPECT_NEAR(VisibleDrop(750, 0.25, 0.02), 2 * VisibleDrop(3000, 0.25, 0.02),
              1e-12);
}

}  // namespace
}  // namespace rlhf
