#include "trainer/ppo/advantage.h"

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(ComputeAdvantagesTest, MatchesHandComputedValues) {
  // Responses of 2 tokens and 1 token; gamma 1, lambda 0.5.
  const std::vector<int64_t> lengths = {2, 1};
  const Advantages result = ComputeAdvantages(
      Row({1, 2, 4}), Row({3, 5, 7}), lengths, {.discount = 1, .lambda = 0.5});
  // delta = 1 + 5 - 3 = 3;  2 + 0 - 5 = -3;  4 + 0 - 7 = -3.
  // A = 3 + 0.5 * -3 = 1.5;  -3;  -3.
  EXPECT_THAT(Elements(result.advantage_N),
              Near(std::vector<double>{1.5, -3, -3}, 1e-15));
  EXPECT_THAT(Elements(result.return_N),
              Near(std::vector<double>{4.5, 2, 4}, 1e-15));
}

TEST(ComputeAdvantagesTest, MatchesTheReference) {
  for (const Json& fixture : ReadMathFixture("advantage")) {
    for (const Precision& precision : Precisions()) {
      const Advantages result = ComputeAdvantages(
          Row(Doubles(fixture["reward"]), precision.dtype),
          Row(Doubles(fixture["value"]), precision.dtype),
          Lengths(fixture["lengths"]),
          {.discount = fixture["discount"], .lambda = fixture["decay"]});
      EXPECT_EQ(result.advantage_N.scalar_type(), precision.dtype);
      EXPECT_THAT(Elements(result.advantage_N),
                  Near(Doubles(fixture["advantage"]), precision.tolerance));
      EXPECT_THAT(Elements(result.return_N),
                  Near(Doubles(fixture["return"]), precision.tolerance));
    }
  }
}

TEST(ComputeAdvantagesTest, ResponsesDoNotTouchOneAnother) {
  const std::vector<int64_t> together = {2, 2};
  const std::vector<int64_t> alone = {2};
  const at::Tensor both =
      ComputeAdvantages(Row({1, 2, 30, 40}), Row({3, 5, 70, 80}), together, {})
          .advantage_N;
  const at::Tensor first =
      ComputeAdvantages(Row({1, 2}), Row({3, 5}), alone, {}).advantage_N;
  EXPECT_THAT(Elements(both.slice(0, 0, 2)), Near(Elements(first), 0.0));
}

TEST(ComputeAdvantagesTest, LambdaOneGivesTheReturnToGo) {
  const std::vector<int64_t> lengths = {3};
  const Advantages result = ComputeAdvantages(
      Row({1, 2, 4}), Row({9, 9, 9}), lengths, {.discount = 1, .lambda = 1});
  EXPECT_THAT(Elements(result.return_N),
              Near(std::vector<double>{7, 6, 4}, 1e-15));
}

TEST(ComputeAdvantagesTest, EmptyBatchGivesNoAdvantages) {
  const Advantages result = ComputeAdvantages(Row({}), Row({}), {}, {});
  EXPECT_EQ(result.advantage_N.numel(), 0);
  EXPECT_EQ(result.return_N.numel(), 0);
}

TEST(ComputeAdvantagesTest, CarriesNoGradient) {
  const std::vector<int64_t> lengths = {1};
  const at::Tensor value_N = Row({2}).requires_grad_();
  EXPECT_FALSE(ComputeAdvantages(Row({1}), value_N, lengths, {})
                   .return_N.requires_grad());
}

TEST(ComputeAdvantagesDeathTest, DiesOnWrongShapes) {
  const std::vector<int64_t> lengths = {2};
  EXPECT_DEATH(ComputeAdvantages(Row({1, 2}), Row({1}), lengths, {}),
               "shape \\[1\\] for 1 responses of 2 tokens");
}

}  // namespace
}  // namespace rlhf
