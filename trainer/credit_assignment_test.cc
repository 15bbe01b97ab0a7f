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

TEST(AssignCreditTest, AFarMeanCostsTheAdvantagesNoDigits) {
  v1::PpoConfig config = Config(v1::PpoConfig::PPO);
  config.set_whiten_advantages(true);
  config.set_gae_lambda(1);
  SingleCommunicator alone;
  // 1000.01 is not a float32 number: the next one is 1e-5 off.
  ASSERT_OK_AND_ASSIGN(
      const Credit credit,
      AssignCredit(config,
                   {.samples = {0, 1},
                    .lengths = {2, 2},
                    .reward_N = Row({0.01, 1000, 0, 1001}, at::kFloat),
                    .value_N = Row({0, 0, 0, 0}, at::kFloat)},
                   2, alone));
  // Rewards to go.
  const double small = static_cast<double>(0.01f);
  const std::vector<double> plain = {1000 + small, 1000, 1001, 1001};
  double mean = 0, variance = 0;
  for (const double a : plain) mean += a / 4;
  for (const double a : plain) variance += (a - mean) * (a - mean) / 4;
  std::vector<double> whitened;
  for (const double a : plain)
    whitened.push_back((a - mean) / std::sqrt(variance + 1e-8));
  EXPECT_THAT(Elements(credit.advantage_N), Near(whitened, 1e-6));
}

TEST(AssignCreditTest, WhitenedTokenRewardsKeepTheirMean) {
  v1::PpoConfig config = Config(v1::PpoConfig::REINFORCE_PP);
  config.set_whiten_rewards(true);
  const Moments moments = FromSums(SumMoments(FourSamples().reward_N));
  // Sample 1 has one token with reward 3.
  EXPECT_NEAR(Elements(Assign(config).advantage_N)[2],
              moments.mean + (3 - moments.mean) / std::sqrt(moments.variance),
              1e-6);
}

TEST(AssignCreditTest, GroupsWhitenTheRewardsOfWholeResponses) {
  v1::PpoConfig config = Config(v1::PpoConfig::RLOO);
  config.set_whiten_rewards(true);
  // Rewards 1, 3, 5, 5 have the biased variance 11 / 4; the mean that stays
  // cancels, whatever the lengths.
  const double std = std::sqrt(11.0 / 4);
  EXPECT_THAT(
      Elements(Assign(config).advantage_N),
      Near(std::vector<double>{-2 / std, -2 / std, 2 / std, 0, 0, 0}, 1e-6));
}

TEST(AssignCreditTest, WhiteningDoesNotChangeWhoIsBest) {
  v1::PpoConfig config = Config(v1::PpoConfig::BEST_OF_K);
  config.set_whiten_rewards(true);
  EXPECT_THAT(Assign(config).trained, ElementsAre(1, 2));
}

}  // namespace
}  // namespace rlhf
