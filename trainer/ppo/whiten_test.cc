#include "trainer/ppo/whiten.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

at::Tensor WhitenAlone(const at::Tensor& values, bool shift_mean) {
  return Whiten(values, FromSums(SumMoments(values)), shift_mean);
}

TEST(WhitenTest, MatchesHandComputedValues) {
  // Mean 2, biased variance (1 + 1) / 2 = 1.
  EXPECT_THAT(Elements(WhitenAlone(Row({1, 3}), /*shift_mean=*/true)),
              Near(std::vector<double>{-1, 1}, 1e-8));
  EXPECT_THAT(Elements(WhitenAlone(Row({1, 3}), /*shift_mean=*/false)),
              Near(std::vector<double>{1, 3}, 1e-8));
}

// Published by Huang et al., "The 37 implementation details of RLHF", with four
// decimals.
TEST(WhitenTest, MatchesThePublishedRewards) {
  const at::Tensor reward = Row({1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0});
  const std::vector<double> published = {0.0508, 0.4381, 0.8254, 1.2127, 1.6000,
                                         1.9873, 2.3746, 2.7619, 3.1492};
  EXPECT_THAT(Elements(WhitenAlone(reward, /*shift_mean=*/false)),
              Near(published, 5e-5));
}

TEST(WhitenTest, MatchesTheReference) {
  const Json fixture = ReadMathFixture("whiten");
  for (const Precision& precision : Precisions()) {
    const at::Tensor values = Row(Doubles(fixture["values"]), precision.dtype);
    const Moments moments = FromSums(SumMoments(values));
    EXPECT_NEAR(moments.mean, fixture["mean"].get<double>(), 1e-12);
    EXPECT_NEAR(moments.variance, fixture["variance"].get<double>(), 1e-12);
    const at::Tensor shifted = Whiten(values, moments, /*shift_mean=*/true);
    EXPECT_EQ(shifted.scalar_type(), precision.dtype);
    EXPECT_THAT(Elements(shifted),
                Near(Doubles(fixture["shifted"]), precision.tolerance));
    EXPECT_THAT(Elements(Whiten(values, moments, /*shift_mean=*/false)),
                Near(Doubles(fixture["unshifted"]), precision.tolerance));
  }
}

TEST(WhitenTest, AFarMeanCostsNoDigits) {
  // Mean 1000 + 5/6 and variance 13/18; float32 knows 1000.83… to 3e-5.
  const double std = std::sqrt(13.0 / 18);
  EXPECT_THAT(
      Elements(WhitenAlone(Row({1000, 1000.5, 1002}, at::kFloat),
                           /*shift_mean=*/true)),
      Near(std::vector<double>{-5.0 / 6 / std, -1.0 / 3 / std, 7.0 / 6 / std},
           1e-6));
}

TEST(WhitenTest, SumsOfTwoRanksWhitenAsOne) {
  const MomentSums a = SumMoments(Row({1, 2}));
  const MomentSums b = SumMoments(Row({3, 8, 4}));
  const Moments both =
      FromSums({.count = a.count + b.count,
                .sum = a.sum + b.sum,
                .sum_of_squares = a.sum_of_squares + b.sum_of_squares});
  const Moments one = FromSums(SumMoments(Row({1, 2, 3, 8, 4})));
  EXPECT_DOUBLE_EQ(both.mean, one.mean);
  EXPECT_DOUBLE_EQ(both.variance, one.variance);
}

TEST(WhitenTest, ConstantValuesBecomeZeroNotNan) {
  // 0.1 in float64 is not a round number: the variance must not go negative.
  EXPECT_THAT(Elements(WhitenAlone(Row({0.1, 0.1, 0.1}), /*shift_mean=*/true)),
              Near(std::vector<double>{0, 0, 0}, 1e-8));
  EXPECT_THAT(Elements(WhitenAlone(Row({5}), /*shift_mean=*/true)),
              Near(std::vector<double>{0}, 1e-8));
}

TEST(WhitenTest, EmptyBatchStaysEmpty) {
  EXPECT_EQ(WhitenAlone(Row({}), /*shift_mean=*/true).numel(), 0);
  EXPECT_EQ(FromSums(SumMoments(Row({}))).variance, 0);
}

}  // namespace
}  // namespace rlhf
