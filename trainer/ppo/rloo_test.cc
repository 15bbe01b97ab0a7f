#include "trainer/ppo/rloo.h"

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(RlooTest, LeavesOneOut) {
  // 1 - (2 + 6) / 2, 2 - (1 + 6) / 2, 6 - (1 + 2) / 2.
  EXPECT_THAT(Elements(RlooAdvantages(Row({1, 2, 6}), 3)),
              Near(std::vector<double>{-3, -1.5, 4.5}, 1e-12));
}

TEST(RlooTest, EqualRewardsTeachNothing) {
  EXPECT_EQ(Elements(RlooAdvantages(Row({5, 5, 5, 5}), 2)),
            std::vector<double>(4, 0));
}

TEST(RlooDeathTest, RewardsMustFillTheGroups) {
  EXPECT_DEATH(RlooAdvantages(Row({1, 2, 3}), 2), "groups of 2");
}

}  // namespace
}  // namespace rlhf
