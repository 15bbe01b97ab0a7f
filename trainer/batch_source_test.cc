#include "trainer/batch_source.h"

#include <future>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/rpc/grpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/batch_source_fixtures.h"

namespace rlhf {
namespace {

TEST_F(BatchSourceTest, TheFirstBatchIsItsOwnAnchor) {
  const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
  const Batch batch = Collect(1);
  // Rewards 1 and 2.
  EXPECT_EQ(batch.header.pm().version(), 1);
  EXPECT_EQ(batch.header.reward_mean(), 1.5);
  EXPECT_EQ(batch.header.reward_scale(), 0.5);
}

TEST_F(BatchSourceTest, ABatchKeepsTheOrdersThatItWasOpenedWith) {
  ordered_from_ = 2;
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    EXPECT_FALSE(Collect(1).header.has_settings());
  }
  {
    const auto actor = std::async(std::launch::async, [&] { Act(1, 2); });
    EXPECT_EQ(Collect(2).header.settings().learning_rate(), 0.5);
  }
  // From its journal, whatever is ordered by now.
  ordered_from_ = 1000;
  StartLearner();
  const Batch again = Collect(2);
  EXPECT_EQ(again.header.settings().learning_rate(), 0.5);
  EXPECT_EQ(again.header.reward_scale(), 0.5) << "the anchor is there too";
}

TEST_F(BatchSourceTest, ALaterPmIsAnchoredOnTheFirstBatch) {
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
  fake_.Serve(3);
  const auto actor = std::async(std::launch::async, [&] { Act(1, 2); });
  const Batch batch = Collect(2);
  EXPECT_EQ(batch.header.pm().version(), 3);
  // It scores the first batch's responses 3 and 6.
  EXPECT_EQ(batch.header.reward_mean(), 4.5);
  EXPECT_EQ(batch.header.reward_scale(), 1.5);
}

TEST_F(BatchSourceTest, ARewardServerThatIsAwayIsNamedInTheLog) {
  const std::string address = absl::StrCat("127.0.0.1:", server_->port());
  server_.reset();
  testing::internal::CaptureStderr();
  const auto back = std::async(std::launch::async, [&] {
    v1::LearnerStatus status;
    while (status.phase() != "waiting for a preference model") {
      control_.GetStatus(nullptr, nullptr, &status);
      std::this_thread::yield();
    }
    ASSERT_OK_AND_ASSIGN(
        server_,
        GrpcServer::Start(address,
                          {static_cast<v1::Reward::Service*>(&fake_),
                           static_cast<v1::RewardAdmin::Service*>(&fake_)}));
    Act(0, 2);
  });
  Collect(1);
  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      testing::AllOf(testing::HasSubstr("the reward server does not answer: "),
                     testing::HasSubstr("the reward server answers again")));
}

// Replicas load a promoted PM each in its own time.
TEST_F(BatchSourceTest, OfTwoReplicasABatchTakesAPmThatBothHold) {
  FakeRewards slower;
  ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<GrpcServer> second,
      GrpcServer::Start("127.0.0.1:0",
                        {static_cast<v1::Reward::Service*>(&slower),
                         static_cast<v1::RewardAdmin::Service*>(&slower)}));
  client_.emplace(absl::StrCat("127.0.0.1:", server_->port(),
                               ",127.0.0.1:", second->port()));
  StartLearner();
  const auto collect = [this](int64_t update) {
    const auto actor =
        std::async(std::launch::async, [&] { Act(update - 1, 2); });
    return Collect(update);
  };
  collect(1);
  fake_.Serve(2);
  EXPECT_EQ(collect(2).header.pm().version(), 1);
  slower.Serve(2);
  const Batch third = collect(3);
  EXPECT_EQ(third.header.pm().version(), 2);
  // It scores the first batch's responses 2 and 4.
  EXPECT_EQ(third.header.reward_mean(), 3);
}

TEST_F(BatchSourceTest, EachPmIsAnchoredOnce) {
  const auto actor = std::async(std::launch::async, [&] {
    for (int64_t version = 0; version < 4; ++version) Act(version, 2);
  });
  Collect(1);
  const double of_version_one = Collect(2).header.reward_scale();
  EXPECT_EQ(Collect(3).header.reward_scale(), of_version_one);
  EXPECT_EQ(fake_.num_score_calls(), 1);
  fake_.Serve(2);
  EXPECT_EQ(Collect(4).header.reward_scale(), 2 * of_version_one);
  EXPECT_EQ(fake_.num_score_calls(), 2);
}

TEST_F(BatchSourceTest, APmThatIsSwappedOutTwiceMeanwhileIsAskedForAgain) {
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
  fake_.SwapTwiceBeforeScoring(2);
  const auto actor = std::async(std::launch::async, [&] { Act(1, 2); });
  // 1, then 3, then 5 serves.
  EXPECT_EQ(Collect(2).header.pm().version(), 5);
}

TEST_F(BatchSourceTest, AnOpenBatchIsScoredAgainWhenItsPmIsGone) {
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
  const auto actor = std::async(std::launch::async, [&] {
    Act(1, 1);
    fake_.Serve(4);
    // Noticed within some seconds; the test's own limit is CTest's.
    while (PmShown() != 4) std::this_thread::yield();
    Act(1, 1);
  });
  const Batch batch = Collect(2);
  EXPECT_EQ(batch.header.pm().version(), 4);
  for (const v1::Rollout& rollout : batch.rollouts) {
    EXPECT_EQ(rollout.pm().version(), batch.header.pm().version());
    EXPECT_EQ(rollout.reward(),
              static_cast<float>(
                  batch.header.pm().version() *
                  static_cast<int64_t>(rollout.response_text().size())));
  }
}

TEST_F(BatchSourceTest, ServingPmAndCanaryInTurnsAreAnchoredOnceEach) {
  fake_.Try(2);
  const auto actor = std::async(std::launch::async, [&] {
    for (int64_t version = 0; version < 4; ++version) Act(version, 2);
  });
  Collect(1);
  EXPECT_EQ(Collect(2).header.pm().version(), 2);
  EXPECT_EQ(Collect(3).header.pm().version(), 1);
  const Batch fourth = Collect(4);
  EXPECT_EQ(fourth.header.pm().version(), 2);
  EXPECT_EQ(fourth.header.reward_mean(), 3);  // of 2 and 4
  EXPECT_EQ(fake_.num_score_calls(), 2);
}

// The actors get no scores, and so the batch would never be complete.
TEST_F(BatchSourceTest, ABatchWhoseCanaryCannotScoreIsTheServingPms) {
  fake_.Try(2);
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
  const auto actor = std::async(std::launch::async, [&] {
    Act(1, 1);  // the canary's
    while (PmShown() != 2) std::this_thread::yield();
    fake_.BreakCanary("too long");
    // Noticed within some seconds; the test's own limit is CTest's.
    while (PmShown() != 1) std::this_thread::yield();
    Act(1, 1);
  });
  const Batch batch = Collect(2);
  EXPECT_EQ(batch.header.pm().version(), 1);
  // By the letters of its responses.
  EXPECT_EQ(batch.rollouts[0].reward(), 3);
  EXPECT_EQ(batch.rollouts[1].reward(), 4);
}

TEST_F(BatchSourceTest, ARestartFindsTheBatchInTheJournal) {
  std::vector<v1::Rollout> before;
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    before = Collect(1).rollouts;
  }
  // No actor this time.
  const Batch again = Collect(1);
  ASSERT_EQ(again.rollouts.size(), before.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(again.rollouts[i].SerializeAsString(),
              before[i].SerializeAsString());
  }
}

}  // namespace
}  // namespace rlhf
