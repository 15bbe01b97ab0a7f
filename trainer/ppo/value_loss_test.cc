#include "trainer/ppo/value_loss.h"

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

// Old values 0, epsilon 0.5. The first stays in range; the second left it
// towards its return, so the clip holds it back; the third left it away from
// its return, and may go back.
ValueTokens ThreeTokens() {
  return {.value_N = Row({0.25, 2, -2}).requires_grad_(),
          .old_value_N = Row({0, 0, 0}),
          .return_N = Row({1, 3, 1})};
}

TEST(ComputeValueLossTest, MatchesHandComputedValues) {
  const ValueLoss result =
      ComputeValueLoss(ThreeTokens(), /*clip_epsilon=*/0.5);
  // 0.75^2;  max(1^2, 2.5^2);  max(3^2, 1.5^2).
  EXPECT_NEAR(result.loss_sum.item<double>(), 0.5 * (0.5625 + 6.25 + 9), 1e-12);
  EXPECT_EQ(result.clip_count.item<int64_t>(), 1);
  EXPECT_EQ(result.num_tokens, 3);
}

TEST(ComputeValueLossTest, ClippedTokensGetNoGradient) {
  const ValueTokens tokens = ThreeTokens();
  ComputeValueLoss(tokens, /*clip_epsilon=*/0.5).loss_sum.backward();
  // Value - return where not clipped.
  EXPECT_THAT(Elements(tokens.value_N.grad()),
              Near(std::vector<double>{-0.75, 0, -3}, 1e-12));
}

TEST(ComputeValueLossTest, MatchesTheReference) {
  for (const Json& fixture : ReadMathFixture("value_loss")) {
    for (const Precision& precision : Precisions()) {
      const ValueTokens tokens = {
          .value_N =
              Row(Doubles(fixture["value"]), precision.dtype).requires_grad_(),
          .old_value_N = Row(Doubles(fixture["old_value"]), precision.dtype),
          .return_N = Row(Doubles(fixture["returns"]), precision.dtype)};
      const ValueLoss result =
          ComputeValueLoss(tokens, fixture["clip_epsilon"]);
      result.loss_sum.backward();

      EXPECT_THAT(
          Elements(result.loss_sum),
          Near(std::vector<double>{fixture["loss_sum"]}, precision.tolerance));
      EXPECT_EQ(result.clip_count.item<int64_t>(),
                fixture["clip_count"].get<int64_t>());
      EXPECT_THAT(Elements(tokens.value_N.grad()),
                  Near(Doubles(fixture["gradient"]), precision.tolerance));
    }
  }
}

TEST(ComputeValueLossTest, EmptyBatchGivesZeroNotNan) {
  const ValueLoss result = ComputeValueLoss(
      {.value_N = Row({}), .old_value_N = Row({}), .return_N = Row({})},
      /*clip_epsilon=*/0.2);
  EXPECT_EQ(result.loss_sum.item<double>(), 0);
  EXPECT_EQ(result.num_tokens, 0);
}

TEST(ComputeValueLossDeathTest, DiesOnDifferentShapes) {
  ValueTokens tokens = ThreeTokens();
  tokens.old_value_N = Row({0});
  EXPECT_DEATH(ComputeValueLoss(tokens, 0.2), "\\[1\\], \\[3\\]");
}

}  // namespace
}  // namespace rlhf
