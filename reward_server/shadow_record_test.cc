#include "reward_server/shadow_record.h"

#include <cmath>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(RankCorrelationTest, DependsOnTheOrderAlone) {
  EXPECT_DOUBLE_EQ(RankCorrelation({{1, -7}, {2, 0}, {9, 0.5}}), 1);
  EXPECT_DOUBLE_EQ(RankCorrelation({{1, 3}, {2, 2}, {9, -100}}), -1);
  // Ranks 0 1 2 3 and 1 0 3 2: 1 - 6 * 4 / (4 * 15).
  EXPECT_NEAR(RankCorrelation({{1, 2}, {2, 1}, {3, 4}, {4, 3}}), 0.6, 1e-12);
}

// Ranks 0 1 2 and 0.5 0.5 2: covariance 1.5/3, deviations sqrt(2/3), sqrt(0.5).
TEST(RankCorrelationTest, TiesShareTheirMeanRank) {
  EXPECT_NEAR(RankCorrelation({{1, 5}, {2, 5}, {3, 6}}),
              0.5 / std::sqrt(2.0 / 3 * 0.5), 1e-12);
}

TEST(RankCorrelationTest, NothingVariesIsZero) {
  EXPECT_EQ(RankCorrelation({{1, 5}, {2, 5}}), 0);
  EXPECT_EQ(RankCorrelation({}), 0);
}

TEST(OrderAgreementTest, CountsPairsThatTheServingPmTellsApart) {
  // (1,2): agree, (1,3): shadow ties, (2,3): serving ties.
  EXPECT_DOUBLE_EQ(OrderAgreement({{1, 1}, {2, 2}, {2, 1}}), 0.75);
  EXPECT_EQ(OrderAgreement({{1, 1}, {1, 2}}), 0);
}

TEST(ShadowRecordTest, AnotherVersionBeginsAnew) {
  ShadowRecord record;
  record.Add(2, {{1, 3}, {3, 7}});
  v1::ShadowStatus status;
  status.mutable_pm()->set_version(2);
  record.Describe(status);
  EXPECT_EQ(status.num_dialogues(), 2);
  EXPECT_EQ(status.mean(), 5);
  EXPECT_EQ(status.deviation(), 2);
  EXPECT_EQ(status.serving_mean(), 2);
  EXPECT_EQ(status.serving_deviation(), 1);
  EXPECT_EQ(status.rank_correlation(), 1);

  record.Add(3, {{1, 1}});
  v1::ShadowStatus of_old;
  of_old.mutable_pm()->set_version(2);
  record.Describe(of_old);
  EXPECT_EQ(of_old.num_dialogues(), 0);
  status.mutable_pm()->set_version(3);
  record.Describe(status);
  EXPECT_EQ(status.num_dialogues(), 1);
}

TEST(ShadowRecordTest, KeepsTheNewest) {
  ShadowRecord record;
  record.Add(1, std::vector<ShadowScore>(ShadowRecord::kCapacity, {0, 0}));
  record.Add(1, {{5, 5}});
  v1::ShadowStatus status;
  status.mutable_pm()->set_version(1);
  record.Describe(status);
  EXPECT_EQ(status.num_dialogues(),
            static_cast<int64_t>(ShadowRecord::kCapacity));
  EXPECT_GT(status.mean(), 0);
}

}  // namespace
}  // namespace rlhf
