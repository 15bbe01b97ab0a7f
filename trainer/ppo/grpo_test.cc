#include "trainer/ppo/grpo.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(GrpoTest, NormalisesWithinEachGroup) {
  // Group (1, 2, 3): mean 2, unbiased std 1. Group (0, 0, 6): mean 2, squares
  // 4 + 4 + 16 over 2, std sqrt(12).
  const at::Tensor reward_S = Row({1, 2, 3, 0, 0, 6});
  const double a = 1 / 1.0001, b = 1 / (std::sqrt(12) + 1e-4);
  EXPECT_THAT(
      Elements(GrpoAdvantages(reward_S, 3)),
      Near(std::vector<double>{-a, 0, a, -2 * b, -2 * b, 4 * b}, 1e-12));
}

TEST(GrpoTest, EqualRewardsTeachNothing) {
  EXPECT_EQ(Elements(GrpoAdvantages(Row({5, 5, 5, 5}), 2)),
            std::vector<double>(4, 0));
}

TEST(GrpoTest, KeepsTheDtype) {
  EXPECT_EQ(GrpoAdvantages(Row({1, 2}, at::kFloat), 2).scalar_type(),
            at::kFloat);
}

TEST(GrpoDeathTest, AGroupHasAtLeastTwo) {
  EXPECT_DEATH(GrpoAdvantages(Row({1, 2}), 1), "group_size >= 2");
}

}  // namespace
}  // namespace rlhf
