#include "trainer/ppo/group_advantage.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(GroupAdvantageTest, NormalisesWithinEachGroup) {
  // Group (1, 2, 3): mean 2, unbiased std 1. Group (0, 0, 6): mean 2, squares
  // 4 + 4 + 16 over 2, std sqrt(12).
  const at::Tensor reward_S = Row({1, 2, 3, 0, 0, 6});
  const double a = 1 / 1.0001, b = 1 / (std::sqrt(12) + 1e-4);
  EXPECT_THAT(
      Elements(GroupNormalizedAdvantages(reward_S, 3)),
      Near(std::vector<double>{-a, 0, a, -2 * b, -2 * b, 4 * b}, 1e-12));
}

TEST(GroupAdvantageTest, LeavesOneOut) {
  // 1 - (2 + 6) / 2, 2 - (1 + 6) / 2, 6 - (1 + 2) / 2.
  EXPECT_THAT(Elements(LeaveOneOutAdvantages(Row({1, 2, 6}), 3)),
              Near(std::vector<double>{-3, -1.5, 4.5}, 1e-12));
}

TEST(GroupAdvantageTest, EqualRewardsTeachNothing) {
  const std::vector<double> zeros(4, 0);
  EXPECT_EQ(Elements(GroupNormalizedAdvantages(Row({5, 5, 5, 5}), 2)), zeros);
  EXPECT_EQ(Elements(LeaveOneOutAdvantages(Row({5, 5, 5, 5}), 2)), zeros);
}

TEST(GroupAdvantageTest, KeepsTheDtype) {
  EXPECT_EQ(GroupNormalizedAdvantages(Row({1, 2}, at::kFloat), 2).scalar_type(),
            at::kFloat);
}

TEST(BestOfEachGroupTest, TakesTheFirstOfEqualOnes) {
  EXPECT_EQ(BestOfEachGroup(Row({1, 3, 3, 0, -1, -2}), 3),
            (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(BestOfEachGroup(Row({4, 5}), 1), (std::vector<int64_t>{0, 1}));
}

TEST(GroupAdvantageDeathTest, RewardsMustFillTheGroups) {
  EXPECT_DEATH(LeaveOneOutAdvantages(Row({1, 2, 3}), 2), "groups of 2");
}

}  // namespace
}  // namespace rlhf
