#include "trainer/optim/gradient_clip.h"

#include <ATen/ops/full.h>

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(SquaredNormTest, AddsUpAllTensors) {
  const at::Tensor matrix = Row({1, 2, 3, 4}, at::kFloat).reshape({2, 2});
  EXPECT_DOUBLE_EQ(SquaredNorm({matrix, Row({5}, at::kFloat)}), 55);
}

TEST(SquaredNormTest, NothingHasNormZero) {
  EXPECT_EQ(SquaredNorm({}), 0);
  EXPECT_EQ(SquaredNorm({Row({}, at::kFloat)}), 0);
}

// In float32 the sum of 3 million times 0.1^2 is off in the fifth digit.
TEST(SquaredNormTest, AccumulatesInFloat64OverSlices) {
  const at::Tensor many = at::full({3'000'001}, 0.1, at::kFloat);
  const double element = static_cast<double>(0.1f);
  const double wanted = 3'000'001 * element * element;
  EXPECT_NEAR(SquaredNorm({many}), wanted, 1e-9 * wanted);
}

TEST(SquaredNormTest, ShowsWhatIsNotFinite) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(std::isfinite(SquaredNorm({Row({1, infinity}, at::kFloat)})));
}

TEST(ClipTest, BringsTheNormDownToTheLimit) {
  const std::vector<at::Tensor> gradients = {Row({3}), Row({4})};
  const double factor = ClipFactor(SquaredNorm(gradients), /*max_norm=*/1);
  // 1 / (5 + 1e-6).
  EXPECT_NEAR(factor, 1 / 5.000001, 1e-15);
  Scale(gradients, factor);
  EXPECT_THAT(Elements(gradients[0]), Near(std::vector<double>{0.6}, 1e-6));
  EXPECT_THAT(Elements(gradients[1]), Near(std::vector<double>{0.8}, 1e-6));
}

TEST(ClipTest, LeavesSmallGradientsAlone) {
  EXPECT_EQ(ClipFactor(/*squared_norm=*/0.25, /*max_norm=*/1), 1);
  EXPECT_EQ(ClipFactor(/*squared_norm=*/0, /*max_norm=*/1), 1);
}

TEST(ClipDeathTest, DiesOnANormThatIsNotFinite) {
  EXPECT_DEATH(ClipFactor(std::nan(""), 1), "nan");
}

}  // namespace
}  // namespace rlhf
