#include "trainer/credit_assignment.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::ElementsAre;

// Four samples of 2, 1, 1 and 2 tokens, in two groups of two. Their rewards are
// 1, 3 and 5, 5.
OwnRewards FourSamples() {
  return {.samples = {0, 1, 2, 3},
          .lengths = {2, 1, 1, 2},
          .reward_N = Row({0.5, 0.5, 3, 5, 1, 4}),
          .value_N = Row({1, 1, 1, 1, 1, 1})};
}

v1::PpoConfig Config(v1::PpoConfig::Algorithm algorithm) {
  v1::PpoConfig config;
  config.set_algorithm(algorithm);
  config.set_samples_per_prompt(2);
  config.set_whiten_advantages(false);
  return config;
}

Credit Assign(const v1::PpoConfig& config) {
  SingleCommunicator alone;
  absl::StatusOr<Credit> credit = AssignCredit(config, FourSamples(), 4, alone);
  EXPECT_OK(credit);
  return *std::move(credit);
}

TEST(AssignCreditTest, RlooSpreadsTheAdvantageOfAResponseOverItsTokens) {
  // 1 - 3, 3 - 1, and twice 5 - 5.
  EXPECT_THAT(Elements(Assign(Config(v1::PpoConfig::RLOO)).advantage_N),
              Near(std::vector<double>{-2, -2, 2, 0, 0, 0}, 1e-12));
}

TEST(AssignCreditTest, GrpoDividesByTheDeviationOfTheGroup) {
  // Unbiased std of 1 and 3 is sqrt(2).
  const double a = 1 / (std::sqrt(2) + 1e-4);
  EXPECT_THAT(Elements(Assign(Config(v1::PpoConfig::GRPO)).advantage_N),
              Near(std::vector<double>{-a, -a, a, 0, 0, 0}, 1e-12));
}

TEST(AssignCreditTest, ReinforceTakesTheRewardToGo) {
  const Credit credit = Assign(Config(v1::PpoConfig::REINFORCE_PP));
  EXPECT_THAT(Elements(credit.advantage_N),
              Near(std::vector<double>{1, 0.5, 3, 5, 5, 4}, 1e-12));
  EXPECT_THAT(Elements(credit.return_N),
              Near(std::vector<double>(6, 0), 1e-12));
}

TEST(AssignCreditTest, PpoSubtractsTheValues) {
  v1::PpoConfig config = Config(v1::PpoConfig::PPO);
  config.set_gae_lambda(1);
  // Rewards to go minus the value 1.
  EXPECT_THAT(Elements(Assign(config).advantage_N),
              Near(std::vector<double>{0, -0.5, 2, 4, 4, 3}, 1e-12));
}

TEST(AssignCreditTest, BestOfKTrainsOnTheWinnersAlone) {
  const Credit credit = Assign(Config(v1::PpoConfig::BEST_OF_K));
  EXPECT_THAT(credit.trained, ElementsAre(1, 2));
  EXPECT_THAT(Elements(credit.advantage_N),
              Near(std::vector<double>{0, 0, 1, 1, 0, 0}, 1e-12));
}

TEST(AssignCreditTest, WhitenedAdvantagesHaveMeanZeroAndVarianceOne) {
  v1::PpoConfig config = Config(v1::PpoConfig::REINFORCE_PP);
  config.set_whiten_advantages(true);
  const Moments moments = FromSums(SumMoments(Assign(config).advantage_N));
  EXPECT_NEAR(moments.mean, 0, 1e-9);
  EXPECT_NEAR(moments.variance, 1, 1e-6);
}

TEST(AssignCreditTest, WhitenedRewardsKeepTheirMean) {
  v1::PpoConfig config = Config(v1::PpoConfig::RLOO);
  const std::vector<double> plain = Elements(Assign(config).advantage_N);
  config.set_whiten_rewards(true);
  const double std =
      std::sqrt(FromSums(SumMoments(FourSamples().reward_N)).variance);
  // Only the sum over sample 0's two tokens feels the kept mean twice, as it
  // does without whitening; equal lengths cancel it.
  const std::vector<double> whitened = Elements(Assign(config).advantage_N);
  const double mean = FromSums(SumMoments(FourSamples().reward_N)).mean;
  // Sample 0: 2 mean + (1 - 2 mean) / std; sample 1: mean + (3 - mean) / std.
  EXPECT_NEAR(whitened[2],
              (mean + (3 - mean) / std) - (2 * mean + (1 - 2 * mean) / std),
              1e-6);
  EXPECT_NE(whitened[2], plain[2]);
}

}  // namespace
}  // namespace rlhf
