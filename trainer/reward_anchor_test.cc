#include "trainer/reward_anchor.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/batch_source.h"

namespace rlhf {
namespace {

TEST(RewardAnchorTest, IsMeanAndBiasedDeviation) {
  // Mean 2, variance (1 + 1) / 2.
  const RewardAnchor anchor = ComputeAnchor({1, 3});
  EXPECT_DOUBLE_EQ(anchor.mean, 2);
  EXPECT_DOUBLE_EQ(anchor.scale, 1);
}

TEST(RewardAnchorTest, EqualScoresAreNotBlownUp) {
  const RewardAnchor anchor = ComputeAnchor({0.5, 0.5, 0.5});
  EXPECT_DOUBLE_EQ(anchor.mean, 0.5);
  EXPECT_DOUBLE_EQ(anchor.scale, 1);
}

TEST(RewardAnchorTest, TheFirstBatchIsItsOwnAnchor) {
  Batch batch;
  for (const float reward : {-1.0f, 1.0f, 3.0f, 5.0f}) {
    batch.rollouts.emplace_back().set_reward(reward);
  }
  ASSERT_OK(CompleteRewards(batch));
  // Mean 2, variance (9 + 1 + 1 + 9) / 4 = 5.
  EXPECT_DOUBLE_EQ(batch.header.reward_mean(), 2);
  EXPECT_NEAR(batch.header.reward_scale(), 2.2360679, 1e-6);
}

TEST(RewardAnchorTest, AKnownAnchorStays) {
  Batch batch;
  batch.header.set_reward_mean(7);
  batch.header.set_reward_scale(3);
  batch.rollouts.emplace_back().set_reward(1);
  ASSERT_OK(CompleteRewards(batch));
  EXPECT_DOUBLE_EQ(batch.header.reward_mean(), 7);
  EXPECT_DOUBLE_EQ(batch.header.reward_scale(), 3);
}

}  // namespace
}  // namespace rlhf
