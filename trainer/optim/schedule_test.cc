#include "trainer/optim/schedule.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(LearningRateTest, IsConstantWithoutWarmupAndHalving) {
  const Schedule schedule = {.learning_rate = 0.5};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 0), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 1'000'000'000), 0.5);
}

// Bai et al. 2022, appendix B.1, online runs.
TEST(LearningRateTest, HalvesEveryHundredThousandRollouts) {
  const Schedule schedule = {.learning_rate = 1,
                             .halve_every_rollouts = 100'000};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 1), 1);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 99'999), 1);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 100'000), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 199'999), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 200'000), 0.25);
}

// Bai et al. 2022, appendix B.1, robustness runs.
TEST(LearningRateTest, WarmsUpLinearlyOverTwentyFiveThousandRollouts) {
  const Schedule schedule = {.learning_rate = 2, .warmup_rollouts = 25'000};
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 0), 0);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 250), 0.02);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 12'500), 1);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 25'000), 2);
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 250'000), 2);
}

TEST(LearningRateTest, WarmupAndHalvingMultiply) {
  const Schedule schedule = {
      .learning_rate = 1, .warmup_rollouts = 100, .halve_every_rollouts = 50};
  // 3/4 of the warm-up, one halving.
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 75), 0.375);
}

}  // namespace
}  // namespace rlhf
