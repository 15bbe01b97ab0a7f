#include "trainer/ppo/explained_variance.h"

#include <ATen/TensorOperators.h>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

double Explained(const at::Tensor& returns, const at::Tensor& values) {
  return ExplainedVariance(FromSums(SumMoments(returns)),
                           FromSums(SumMoments(returns - values)));
}

TEST(ExplainedVarianceTest, MatchesHandComputedValues) {
  const at::Tensor returns = Row({0, 2, 4});
  EXPECT_NEAR(Explained(returns, returns), 1, 1e-12);
  EXPECT_NEAR(Explained(returns, Row({2, 2, 2})), 0, 1e-12);
  // Residuals 0, 1, 2: a quarter of the returns' variance is left.
  EXPECT_NEAR(Explained(returns, Row({0, 1, 2})), 0.75, 1e-12);
  // Residuals 0, 4, 8: four times the variance.
  EXPECT_NEAR(Explained(returns, Row({0, -2, -4})), -3, 1e-12);
}

TEST(ExplainedVarianceTest, MatchesTheReference) {
  const Json fixture = ReadMathFixture("whiten");
  EXPECT_NEAR(Explained(Row(Doubles(fixture["values"])),
                        Row(Doubles(fixture["predictions"]))),
              fixture["explained_variance"].get<double>(), 1e-12);
}

TEST(ExplainedVarianceTest, ConstantReturnsGiveZeroNotNan) {
  EXPECT_EQ(Explained(Row({3, 3}), Row({1, 2})), 0);
  // The squares of 0.1 do not add up exactly.
  EXPECT_EQ(Explained(Row({0.1, 0.1, 0.1}), Row({1, 2, 4})), 0);
  EXPECT_EQ(Explained(Row({}), Row({})), 0);
}

}  // namespace
}  // namespace rlhf
