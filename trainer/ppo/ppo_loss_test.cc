#include "trainer/ppo/ppo_loss.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

// Ratios 1, 1.5, 0.5 and 1.5. With epsilon 0.2 the second and third leave the
// range the way their advantage pushes; the fourth is outside, but its
// advantage pulls it back.
PpoTokens FourTokens() {
  return {.logprob_N = Row({0, std::log(1.5), std::log(0.5), std::log(1.5)})
                           .requires_grad_(),
          .old_logprob_N = Row({0, 0, 0, 0}),
          .advantage_N = Row({1, 2, -1, -1})};
}

TEST(ComputePpoLossTest, MatchesHandComputedValues) {
  const PpoLoss result = ComputePpoLoss(FourTokens(), {.clip_epsilon = 0.2});

  // min(1, 1) + min(3, 2.4) + min(-0.5, -0.8) + min(-1.5, -1.2)
  EXPECT_NEAR(result.loss_sum.item<double>(), -(1 + 2.4 - 0.8 - 1.5), 1e-12);
  EXPECT_EQ(result.clip_count.item<int64_t>(), 2);
  EXPECT_EQ(result.num_tokens, 4);
  // ratio - 1 - log ratio: 0, twice 0.5 - log 1.5, once -0.5 - log 0.5.
  EXPECT_NEAR(result.approx_kl_sum.item<double>(),
              2 * (0.5 - std::log(1.5)) - 0.5 - std::log(0.5), 1e-12);
  // 0, 0.5, -0.5, 0.5.
  EXPECT_NEAR(result.ratio_offset_sum.item<double>(), 0.5, 1e-12);
  EXPECT_NEAR(result.ratio_offset_square_sum.item<double>(), 0.75, 1e-12);
}

TEST(ComputePpoLossTest, ClippedTokensGetNoGradient) {
  const PpoTokens tokens = FourTokens();
  ComputePpoLoss(tokens, {.clip_epsilon = 0.2}).loss_sum.backward();
  // -ratio * advantage where not clipped.
  EXPECT_THAT(Elements(tokens.logprob_N.grad()),
              Near(std::vector<double>{-1, 0, 0, 1.5}, 1e-12));
}

TEST(ComputePpoLossTest, TheSecondClipBoundsWhatANegativeAdvantageCosts) {
  // Ratio 5, A = -1: the surrogate -5 is raised to -3. Ratio 2: -2 stays.
  // Ratio 5, A = 1: the first clip alone acts, 1.2.
  const at::Tensor logprob_N =
      Row({std::log(5), std::log(2), std::log(5)}).requires_grad_();
  const PpoLoss result = ComputePpoLoss({.logprob_N = logprob_N,
                                         .old_logprob_N = Row({0, 0, 0}),
                                         .advantage_N = Row({-1, -1, 1})},
                                        {.clip_epsilon = 0.2, .dual_clip = 3});
  result.loss_sum.backward();
  EXPECT_NEAR(result.loss_sum.item<double>(), 3 + 2 - 1.2, 1e-12);
  EXPECT_EQ(result.clip_count.item<int64_t>(), 2);
  EXPECT_THAT(Elements(logprob_N.grad()),
              Near(std::vector<double>{0, 2, 0}, 1e-12));
}

TEST(ComputePpoLossTest, MatchesTheReference) {
  for (const Json& fixture : ReadMathFixture("ppo_loss")) {
    for (const Precision& precision : Precisions()) {
      const PpoTokens tokens = {
          .logprob_N = Row(Doubles(fixture["logprob"]), precision.dtype)
                           .requires_grad_(),
          .old_logprob_N =
              Row(Doubles(fixture["old_logprob"]), precision.dtype),
          .advantage_N = Row(Doubles(fixture["advantage"]), precision.dtype)};
      const PpoLoss result =
          ComputePpoLoss(tokens, {.clip_epsilon = fixture["clip_epsilon"]});
      result.loss_sum.backward();

      const std::vector<double> wanted = {fixture["loss_sum"],
                                          fixture["approx_kl_sum"]};
      EXPECT_THAT((std::vector<double>{result.loss_sum.item<double>(),
                                       result.approx_kl_sum.item<double>()}),
                  Near(wanted, precision.tolerance));
      EXPECT_EQ(result.clip_count.item<int64_t>(),
                fixture["clip_count"].get<int64_t>());
      EXPECT_THAT(Elements(tokens.logprob_N.grad()),
                  Near(Doubles(fixture["gradient"]), precision.tolerance));
    }
  }
}

TEST(ComputePpoLossTest, AnUnchangedPolicyIsNeverClipped) {
  const at::Tensor logprob_N = Row({-1, -2, -3}).requires_grad_();
  const PpoLoss result = ComputePpoLoss({.logprob_N = logprob_N,
                                         .old_logprob_N = logprob_N.detach(),
                                         .advantage_N = Row({1, -2, 5})},
                                        {.clip_epsilon = 0.2});
  result.loss_sum.backward();
  EXPECT_EQ(result.clip_count.item<int64_t>(), 0);
  EXPECT_EQ(result.approx_kl_sum.item<double>(), 0);
  // The whole policy gradient passes where both branches tie.
  EXPECT_THAT(Elements(logprob_N.grad()),
              Near(std::vector<double>{-1, 2, -5}, 1e-15));
}

TEST(ComputePpoLossTest, SumsDoNotDependOnHowTheBatchIsCut) {
  const PpoTokens all = FourTokens();
  double loss = 0;
  for (int64_t begin = 0; begin < 4; begin += 2) {
    const PpoLoss part = ComputePpoLoss(
        {.logprob_N = all.logprob_N.slice(0, begin, begin + 2),
         .old_logprob_N = all.old_logprob_N.slice(0, begin, begin + 2),
         .advantage_N = all.advantage_N.slice(0, begin, begin + 2)},
        {.clip_epsilon = 0.2});
    loss += part.loss_sum.item<double>();
  }
  EXPECT_NEAR(
      loss, ComputePpoLoss(all, {.clip_epsilon = 0.2}).loss_sum.item<double>(),
      1e-12);
}

TEST(ComputePpoLossTest, EmptyBatchGivesZeroNotNan) {
  const PpoLoss result = ComputePpoLoss(
      {.logprob_N = Row({}), .old_logprob_N = Row({}), .advantage_N = Row({})},
      {.clip_epsilon = 0.2});
  EXPECT_EQ(result.loss_sum.item<double>(), 0);
  EXPECT_EQ(result.approx_kl_sum.item<double>(), 0);
  EXPECT_EQ(result.ratio_offset_square_sum.item<double>(), 0);
  EXPECT_EQ(result.num_tokens, 0);
}

TEST(ComputePpoLossDeathTest, DiesOnDifferentShapes) {
  PpoTokens tokens = FourTokens();
  tokens.advantage_N = Row({1});
  EXPECT_DEATH(ComputePpoLoss(tokens, {}), "\\[1\\], \\[4\\]");
}

}  // namespace
}  // namespace rlhf
