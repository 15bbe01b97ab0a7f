#include "trainer/ppo/reinforce_pp.h"

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(RewardsToGoTest, MatchesHandComputedValues) {
  const std::vector<int64_t> lengths = {3, 1};
  // 1 + 2 / 2 + 4 / 4, 2 + 4 / 2, 4; and 8 alone.
  EXPECT_THAT(Elements(RewardsToGo(Row({1, 2, 4, 8}), lengths, 0.5)),
              Near(std::vector<double>{3, 4, 4, 8}, 1e-15));
  EXPECT_THAT(Elements(RewardsToGo(Row({1, 2, 4, 8}), lengths, 1)),
              Near(std::vector<double>{7, 6, 4, 8}, 1e-15));
}

TEST(RewardsToGoTest, KeepsTheDtypeAndAnEmptyBatch) {
  EXPECT_EQ(RewardsToGo(Row({}, at::kFloat), {}, 1).scalar_type(), at::kFloat);
}

TEST(RewardsToGoDeathTest, DiesOnWrongLengths) {
  const std::vector<int64_t> two = {2};
  EXPECT_DEATH(RewardsToGo(Row({1}), two, 1), "for 1 responses of 2 tokens");
}

}  // namespace
}  // namespace rlhf
