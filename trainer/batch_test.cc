#include "trainer/batch.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;

// Two rollouts with rewards 1 and 3 under a PM whose anchor is 1 +- 2.
Batch TwoRollouts() {
  Batch batch;
  batch.header.set_update(5);
  batch.header.mutable_pm()->set_version(2);
  batch.header.set_reward_mean(1);
  batch.header.set_reward_scale(2);
  for (const int i : {0, 1}) {
    v1::Rollout& rollout = batch.rollouts.emplace_back();
    rollout.set_reward(i == 0 ? 1 : 3);
    rollout.set_policy_version(i == 0 ? 4 : 2);
    rollout.add_prompt_ids(7);
    for (int t = 0; t < 1 + 2 * i; ++t) {
      rollout.add_response_ids(10 + t);
      rollout.add_behaviour_logprobs(-0.5F);
    }
    rollout.set_finish_reason(i == 0 ? v1::FINISH_REASON_STOP
                                     : v1::FINISH_REASON_LENGTH);
  }
  batch.seconds = 1.5;
  return batch;
}

TEST(BatchTest, ScoresAreOnTheAnchorsScale) {
  const std::vector<PpoSample> samples = ToSamples(TwoRollouts());
  ASSERT_EQ(samples.size(), 2);
  EXPECT_EQ(samples[0].score, 0);  // (1 - 1) / 2
  EXPECT_EQ(samples[1].score, 1);  // (3 - 1) / 2
  EXPECT_TRUE(samples[0].ended);
  EXPECT_FALSE(samples[1].ended);
  // Update 5 begins with version 4.
  EXPECT_EQ(samples[0].staleness, 0);
  EXPECT_EQ(samples[1].staleness, 2);
  EXPECT_THAT(samples[1].response_ids, ElementsAre(10, 11, 12));
  EXPECT_THAT(samples[1].behaviour_logprobs, ElementsAre(-0.5, -0.5, -0.5));
}

TEST(BatchTest, TheReportDescribesIt) {
  v1::UpdateReport report;
  DescribeBatch(TwoRollouts(), report);
  EXPECT_EQ(report.pm().version(), 2);
  EXPECT_EQ(report.policy_version(), 5);
  EXPECT_EQ(report.num_rollouts(), 2);
  EXPECT_EQ(report.reward_mean(), 2);
  EXPECT_EQ(report.reward_std(), 1);
  EXPECT_EQ(report.reward_anchored_mean(), 0.5);  // (2 - 1) / 2
  EXPECT_EQ(report.response_tokens_mean(), 2);
  EXPECT_EQ(report.finished_share(), 0.5);
  // Update 5 begins with version 4; the older rollout is of version 2.
  EXPECT_EQ(report.staleness_max(), 2);
  EXPECT_EQ(report.staleness_mean(), 1);
  EXPECT_EQ(report.generation_seconds(), 1.5);
}

TEST(BatchTest, OtherRanksDecodeWhatRankZeroEncoded) {
  const Batch batch = TwoRollouts();
  const Batch copy = DecodeBatch(EncodeBatch(batch));
  EXPECT_EQ(copy.header.SerializeAsString(), batch.header.SerializeAsString());
  ASSERT_EQ(copy.rollouts.size(), 2);
  for (const int i : {0, 1}) {
    EXPECT_EQ(copy.rollouts[i].SerializeAsString(),
              batch.rollouts[i].SerializeAsString());
  }
}

TEST(BatchDeathTest, OtherBytesAreAProgrammersError) {
  EXPECT_DEATH(DecodeBatch("00000003abc"), "");
}

}  // namespace
}  // namespace rlhf
