#include "trainer/ppo/kl_penalty.h"

#include <ATen/ops/tensor.h>

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

at::Tensor Flags(const std::vector<int64_t>& values) {
  return at::tensor(values, at::kLong).to(at::kBool);
}

// Two responses of 2 tokens and 1 token.
ScoredResponses ThreeTokens() {
  return {.logprob_N = Row({-1, -2, -3}),
          .ref_logprob_N = Row({-2, -1, -3}),
          .score_S = Row({5, 7}),
          .ended_S = Flags({1, 0})};
}
const std::vector<int64_t> kTwoAndOne = {2, 1};

TEST(ComputeTokenRewardsTest, MatchesHandComputedValues) {
  const at::Tensor reward_N =
      ComputeTokenRewards(ThreeTokens(), kTwoAndOne,
                          {.kl_coefficient = 0.1, .missing_eos_penalty = -1});
  // -0.1 * (-1 + 2);  -0.1 * (-2 + 1) + 5;  -0.1 * 0 + 7 - 1.
  EXPECT_THAT(Elements(reward_N),
              Near(std::vector<double>{-0.1, 5.1, 6}, 1e-15));
}

TEST(ComputeTokenRewardsTest, TakesTheEstimatorThatIsAskedFor) {
  const auto last = [](KlEstimator estimator) {
    // One token with log pi = -1, log pi_ref = -2: k1 1, k2 1/2, k3 1/e.
    const at::Tensor reward_N = ComputeTokenRewards(
        {.logprob_N = Row({-1}),
         .ref_logprob_N = Row({-2}),
         .score_S = Row({0}),
         .ended_S = Flags({1})},
        std::vector<int64_t>{1}, {.kl_coefficient = 1, .estimator = estimator});
    return reward_N.item<double>();
  };
  EXPECT_NEAR(last(KlEstimator::kK1), -1, 1e-15);
  EXPECT_NEAR(last(KlEstimator::kK2), -0.5, 1e-15);
  EXPECT_NEAR(last(KlEstimator::kK3), -std::exp(-1), 1e-15);
}

TEST(ComputeTokenRewardsTest, ATokenThePolicyPrefersCosts) {
  ScoredResponses responses = ThreeTokens();
  const at::Tensor reward_N =
      ComputeTokenRewards(responses, kTwoAndOne, {.kl_coefficient = 0.5});
  // Token 0: the policy gives it e times the reference's probability.
  EXPECT_LT(reward_N[0].item<double>(), 0);
}

TEST(ComputeTokenRewardsTest, WithoutPenaltyOnlyTheLastTokensAreRewarded) {
  const at::Tensor reward_N =
      ComputeTokenRewards(ThreeTokens(), kTwoAndOne, {.kl_coefficient = 0});
  EXPECT_THAT(Elements(reward_N), Near(std::vector<double>{0, 5, 7}, 0.0));
}

TEST(ComputeTokenRewardsTest, MatchesTheReference) {
  for (const Json& fixture : ReadMathFixture("advantage")) {
    for (const Precision& precision : Precisions()) {
      std::vector<int64_t> ended;
      for (const bool flag : fixture["ended"]) ended.push_back(flag);
      const at::Tensor reward_N = ComputeTokenRewards(
          {.logprob_N = Row(Doubles(fixture["logprob"]), precision.dtype),
           .ref_logprob_N =
               Row(Doubles(fixture["ref_logprob"]), precision.dtype),
           .score_S = Row(Doubles(fixture["score"]), precision.dtype),
           .ended_S = Flags(ended)},
          Lengths(fixture["lengths"]),
          {.kl_coefficient = fixture["kl_coefficient"],
           .missing_eos_penalty = fixture["missing_eos_penalty"]});
      EXPECT_EQ(reward_N.scalar_type(), precision.dtype);
      EXPECT_THAT(Elements(reward_N),
                  Near(Doubles(fixture["reward"]), precision.tolerance));
    }
  }
}

TEST(ComputeTokenRewardsTest, CarriesNoGradient) {
  ScoredResponses responses = ThreeTokens();
  responses.logprob_N.requires_grad_();
  EXPECT_FALSE(ComputeTokenRewards(responses, kTwoAndOne, {}).requires_grad());
}

TEST(ComputeTokenRewardsTest, EmptyBatchGivesNoRewards) {
  const at::Tensor reward_N = ComputeTokenRewards({.logprob_N = Row({}),
                                                   .ref_logprob_N = Row({}),
                                                   .score_S = Row({}),
                                                   .ended_S = Flags({})},
                                                  {}, {});
  EXPECT_EQ(reward_N.numel(), 0);
}

TEST(ComputeTokenRewardsDeathTest, DiesOnWrongLengths) {
  const std::vector<int64_t> too_many = {2, 2};
  EXPECT_DEATH(ComputeTokenRewards(ThreeTokens(), too_many, {}),
               "shape \\[3\\] for 2 responses of 4 tokens");
  const std::vector<int64_t> with_empty = {3, 0};
  EXPECT_DEATH(ComputeTokenRewards(ThreeTokens(), with_empty, {}),
               "a response of 0 tokens");
  const std::vector<int64_t> three = {1, 1, 1};
  EXPECT_DEATH(ComputeTokenRewards(ThreeTokens(), three, {}),
               "shape \\[2\\] for 3 responses");
}

}  // namespace
}  // namespace rlhf
