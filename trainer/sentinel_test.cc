#include "trainer/sentinel.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::SentinelConfig Config(int window, double drop) {
  v1::SentinelConfig config;
  config.set_window(window);
  config.set_max_test_drop(drop);
  return config;
}

TEST(FindOverOptimisationTest, RewardUpAndTestDownIsSeen) {
  const std::vector<WatchedReward> updates = {
      {0, 0}, {1, 1}, {2, 1}, {3, 0.7}, {4, 0.6}};
  EXPECT_EQ(FindOverOptimisation(updates, Config(4, 0.3)),
            "the test PM's anchored score fell from +1.000 to +0.650 (limit "
            "0.300) while the reward went from +1.500 to +3.500");
  EXPECT_EQ(FindOverOptimisation(updates, Config(4, 0.36)), "")
      << "not further than it may";
}

TEST(FindOverOptimisationTest, BothRisingOrBothFallingIsNot) {
  EXPECT_EQ(
      FindOverOptimisation({{0, 0}, {1, 1}, {2, 2}, {3, 3}}, Config(4, 0.1)),
      "");
  EXPECT_EQ(
      FindOverOptimisation({{3, 3}, {3, 3}, {1, 1}, {0, 0}}, Config(4, 0.1)),
      "")
      << "the policy got worse, which is another matter";
}

TEST(FindOverOptimisationTest, SaysNothingBeforeAWholeWindowOrWithoutOne) {
  EXPECT_EQ(FindOverOptimisation({{0, 2}, {1, 1}, {2, 0}}, Config(4, 0.1)), "");
  EXPECT_EQ(FindOverOptimisation({{0, 2}, {1, 1}, {2, 0}}, Config(0, 0.1)), "");
  EXPECT_NE(FindOverOptimisation({{0, 2}, {1, 1}, {2, 0}}, Config(3, 0.1)), "");
}

}  // namespace
}  // namespace rlhf
