#include "trainer/ppo/behaviour_weight.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"
#include "trainer/ppo/ppo_loss.h"

namespace rlhf {
namespace {

// Probabilities 0.3, 0.2, 0.5 and 0.1 before the update, 0.1, 0.4, 0.5 and
// 0.02 when sampled: ratios 3, 0.5, 1 and 5.
const std::vector<double> kProx = {std::log(0.3), std::log(0.2), std::log(0.5),
                                   std::log(0.1)};
const std::vector<double> kBehaviour = {std::log(0.1), std::log(0.4),
                                        std::log(0.5), std::log(0.02)};

TEST(ComputeBehaviourWeightsTest, AreTheRatioUpToTheCap) {
  EXPECT_THAT(Elements(ComputeBehaviourWeights(Row(kProx), Row(kBehaviour), 4)),
              Near(std::vector<double>{3, 0.5, 1, 4}, 1e-12));
  EXPECT_THAT(Elements(ComputeBehaviourWeights(Row(kProx), Row(kBehaviour), 2)),
              Near(std::vector<double>{2, 0.5, 1, 2}, 1e-12));
}

TEST(ComputeBehaviourWeightsTest, ThePolicyThatSampledWeighsExactlyOne) {
  const at::Tensor row = Row(kProx, at::kFloat);
  EXPECT_EQ(Elements(ComputeBehaviourWeights(row, row, 2)),
            (std::vector<double>{1, 1, 1, 1}));
}

TEST(ComputeBehaviourWeightsTest, ARatioBeyondFloatsIsTheCap) {
  EXPECT_EQ(Elements(ComputeBehaviourWeights(Row({0}, at::kFloat),
                                             Row({-200}, at::kFloat), 2)),
            (std::vector<double>{2}));
}

TEST(ComputeBehaviourWeightsTest, CarryNoGradient) {
  const at::Tensor prox = Row(kProx).requires_grad_();
  EXPECT_FALSE(
      ComputeBehaviourWeights(prox, Row(kBehaviour), 2).requires_grad());
}

TEST(SummarizeBehaviourWeightsTest, MatchesHandComputedValues) {
  // Weights 2, 0.5, 1 and 2: sum 5.5, squares 9.25, two at the cap.
  const BehaviourWeightSummary summary = SummarizeBehaviourWeights(
      SumBehaviourWeights(Row({2, 0.5, 1, 2}), /*cap=*/2));
  EXPECT_NEAR(summary.mean, 5.5 / 4, 1e-15);
  EXPECT_NEAR(summary.capped_share, 0.5, 1e-15);
  EXPECT_NEAR(summary.effective_share, 5.5 * 5.5 / (4 * 9.25), 1e-15);
}

TEST(SummarizeBehaviourWeightsTest, OfNoTokensSaysThatNothingIsAmiss) {
  const BehaviourWeightSummary summary =
      SummarizeBehaviourWeights(SumBehaviourWeights(Row({}), 2));
  EXPECT_EQ(summary.mean, 1);
  EXPECT_EQ(summary.capped_share, 0);
  EXPECT_EQ(summary.effective_share, 1);
}

// Hand-worked: one token that got likelier (rho 1.5, clipped to 1.2 as A > 0)
// and weighs 2, one with rho 0.5 and A = 1 that weighs 0.5.
TEST(DecoupledPpoTest, WeighsTheClippedSurrogateOfEachToken) {
  const at::Tensor logprob_N =
      Row({std::log(1.5), std::log(0.5)}).requires_grad_();
  const PpoLoss result = ComputePpoLoss({.logprob_N = logprob_N,
                                         .old_logprob_N = Row({0, 0}),
                                         .advantage_N = Row({1, 1}),
                                         .weight_N = Row({2, 0.5})},
                                        {.clip_epsilon = 0.2});
  result.loss_sum.backward();
  EXPECT_NEAR(result.loss_sum.item<double>(), -(2 * 1.2 + 0.5 * 0.5), 1e-12);
  // The clipped token has no gradient; the other -w * rho * A.
  EXPECT_THAT(Elements(logprob_N.grad()),
              Near(std::vector<double>{0, -0.25}, 1e-12));
  // What is clipped and how far the policy moved do not depend on the weights.
  EXPECT_EQ(result.clip_count.item<int64_t>(), 1);
  EXPECT_EQ(result.num_tokens, 2);
}

TEST(DecoupledPpoTest, MatchesTheReference) {
  for (const Json& fixture : ReadMathFixture("decoupled_ppo_loss")) {
    for (const Precision& precision : Precisions()) {
      const auto row = [&](const char* name) {
        return Row(Doubles(fixture[name]), precision.dtype);
      };
      const double cap = fixture["cap"];
      const at::Tensor weight_N = ComputeBehaviourWeights(
          row("prox_logprob"), row("behaviour_logprob"), cap);
      const at::Tensor logprob_N = row("logprob").requires_grad_();
      const PpoLoss result =
          ComputePpoLoss({.logprob_N = logprob_N,
                          .old_logprob_N = row("prox_logprob"),
                          .advantage_N = row("advantage"),
                          .weight_N = weight_N},
                         {.clip_epsilon = 0.2});
      result.loss_sum.backward();
      const BehaviourWeightSummary summary =
          SummarizeBehaviourWeights(SumBehaviourWeights(weight_N, cap));
      EXPECT_THAT(Elements(weight_N),
                  Near(Doubles(fixture["weight"]), precision.tolerance));
      EXPECT_THAT(Elements(logprob_N.grad()),
                  Near(Doubles(fixture["gradient"]), precision.tolerance));
      const std::vector<double> wanted = {fixture["loss_sum"], fixture["mean"],
                                          fixture["capped_share"],
                                          fixture["effective_share"]};
      EXPECT_THAT(
          (std::vector<double>{result.loss_sum.item<double>(), summary.mean,
                               summary.capped_share, summary.effective_share}),
          Near(wanted, precision.tolerance));
    }
  }
}

// The expectation over what the old policy samples, with its weights, is the
// one over what the proximal policy samples: enumerated over a vocabulary of 3.
TEST(DecoupledPpoTest, IsUnbiasedWithoutTheCap) {
  const std::vector<double> behaviour = {0.6, 0.3, 0.1}, prox = {0.2, 0.5, 0.3},
                            now = {0.25, 0.35, 0.4}, advantage = {1, -2, 0.5};
  double on_policy = 0, off_policy = 0;
  for (size_t token = 0; token < 3; ++token) {
    const at::Tensor weight = ComputeBehaviourWeights(
        Row({std::log(prox[token])}), Row({std::log(behaviour[token])}),
        /*cap=*/1000);
    PpoTokens one = {.logprob_N = Row({std::log(now[token])}),
                     .old_logprob_N = Row({std::log(prox[token])}),
                     .advantage_N = Row({advantage[token]})};
    const PpoLossOptions options = {.clip_epsilon = 0.2};
    on_policy +=
        prox[token] * ComputePpoLoss(one, options).loss_sum.item<double>();
    one.weight_N = weight;
    off_policy +=
        behaviour[token] * ComputePpoLoss(one, options).loss_sum.item<double>();
  }
  EXPECT_NEAR(off_policy, on_policy, 1e-12);
}

TEST(DecoupledPpoDeathTest, DiesOnDifferentShapes) {
  EXPECT_DEATH(ComputeBehaviourWeights(Row({0}), Row({0, 0}), 2),
               "\\[1\\], \\[2\\]");
  EXPECT_DEATH(ComputePpoLoss({.logprob_N = Row({0, 0}),
                               .old_logprob_N = Row({0, 0}),
                               .advantage_N = Row({0, 0}),
                               .weight_N = Row({1})},
                              {}),
               "\\[1\\], \\[2\\]");
}

}  // namespace
}  // namespace rlhf
