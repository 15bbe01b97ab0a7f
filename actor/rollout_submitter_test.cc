#include "actor/rollout_submitter.h"

#include "actor/actor_fixtures.h"
#include "core/base/clock.h"
#include "core/rpc/grpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

PendingRollout Pending(const std::string& id, const std::string& response,
                       int64_t pm_version = 3,
                       absl::Duration lease = absl::Seconds(10)) {
  PendingRollout pending{.pm_version = pm_version,
                         .lease_end = MonotonicNow() + lease};
  pending.rollout.set_rollout_id(id);
  pending.rollout.set_response_text(response);
  return pending;
}

class RolloutSubmitterTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        server_, GrpcServer::Start("127.0.0.1:0", {&reward_, &learner_}));
  }

  std::unique_ptr<RolloutSubmitter> MakeSubmitter(size_t capacity = 10) {
    const std::string address = absl::StrCat("127.0.0.1:", server_->port());
    return std::make_unique<RolloutSubmitter>(address, address, capacity,
                                              &metrics_.series);
  }

  bool Failed(int count) {
    return Eventually(
        [&] { return metrics_.series.rollouts_failed.Value() == count; });
  }
  bool Done(int count) {
    return Eventually(
        [&] { return metrics_.series.rollouts_done.Value() == count; });
  }

  TestMetrics metrics_;
  LengthReward reward_;
  FakeLearner learner_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(RolloutSubmitterTest, DeliversWithTheScoreAndThePmThatWasAskedFor) {
  const auto submitter = MakeSubmitter();
  ASSERT_EQ(submitter->Add({Pending("a", "xyz", 3)}), 0);
  ASSERT_EQ(submitter->Add({Pending("b", "x", 4)}), 0);
  ASSERT_TRUE(Done(2));

  const auto rollouts = learner_.rollouts();
  ASSERT_THAT(rollouts, SizeIs(2));
  EXPECT_EQ(rollouts[0].rollout_id(), "a");
  EXPECT_EQ(rollouts[0].reward(), 3);
  EXPECT_EQ(rollouts[0].pm().version(), 3);
  EXPECT_EQ(rollouts[0].pm().digest(), "digest3");
  EXPECT_EQ(rollouts[1].rollout_id(), "b");
  EXPECT_EQ(rollouts[1].reward(), 1);
  EXPECT_EQ(rollouts[1].pm().version(), 4);
}

TEST_F(RolloutSubmitterTest, TriesAgainWhileTheRewardServerIsAway) {
  reward_.BeAwayFor(2);
  const auto submitter = MakeSubmitter();
  ASSERT_EQ(submitter->Add({Pending("a", "xyz")}), 0);
  ASSERT_TRUE(Done(1));
  EXPECT_EQ(reward_.num_calls(), 3);
  ASSERT_THAT(learner_.rollouts(), SizeIs(1));
  EXPECT_EQ(learner_.rollouts()[0].reward(), 3);
}

TEST_F(RolloutSubmitterTest, TriesAgainWhileTheLearnerIsAway) {
  learner_.num_away = 2;
  const auto submitter = MakeSubmitter();
  ASSERT_EQ(submitter->Add({Pending("a", "xyz")}), 0);
  ASSERT_TRUE(Done(1));
  EXPECT_EQ(reward_.num_calls(), 1);
  EXPECT_THAT(learner_.rollouts(), SizeIs(1));
}

TEST_F(RolloutSubmitterTest, GivesUpAtTheEndOfTheLeaseWithoutAReward) {
  reward_.BeAwayFor(1000);
  const auto submitter = MakeSubmitter();
  ASSERT_EQ(submitter->Add({Pending("a", "xyz", 3, absl::Milliseconds(250))}),
            0);
  ASSERT_TRUE(Failed(1));
  EXPECT_GT(reward_.num_calls(), 1);
  EXPECT_THAT(learner_.rollouts(), IsEmpty());
}

TEST_F(RolloutSubmitterTest, GivesUpAtTheEndOfTheLeaseWithoutTheLearner) {
  learner_.num_away = 1000;
  const auto submitter = MakeSubmitter();
  ASSERT_EQ(submitter->Add({Pending("a", "xyz", 3, absl::Milliseconds(250))}),
            0);
  ASSERT_TRUE(Failed(1));
  EXPECT_THAT(learner_.rollouts(), IsEmpty());
}

TEST_F(RolloutSubmitterTest, WhatThePmRefusesNeverReachesTheLearner) {
  reward_.Fail({grpc::NOT_FOUND, "no such PM"});
  const auto submitter = MakeSubmitter();
  ASSERT_EQ(submitter->Add({Pending("a", "xyz")}), 0);
  ASSERT_TRUE(Failed(1));
  EXPECT_EQ(reward_.num_calls(), 1);
  EXPECT_THAT(learner_.rollouts(), IsEmpty());
}

TEST_F(RolloutSubmitterTest, OneThatThePmRefusesDoesNotFailTheOthers) {
  reward_.RefuseLongerThan(3);
  const auto submitter = MakeSubmitter();
  ASSERT_EQ(submitter->Add({Pending("a", "xyz"), Pending("b", "too long"),
                            Pending("c", "x")}),
            0);
  ASSERT_TRUE(Failed(1));
  ASSERT_TRUE(Done(2));
  EXPECT_THAT(learner_.rollouts(), SizeIs(2));
}

TEST_F(RolloutSubmitterTest, ALeaseThatEndsSoonDoesNotHurryTheOthers) {
  reward_.BeAwayFor(3);
  const auto submitter = MakeSubmitter();
  ASSERT_EQ(submitter->Add({Pending("a", "xyz", 3, absl::ZeroDuration()),
                            Pending("b", "xyz")}),
            0);
  ASSERT_TRUE(Done(2));
}

TEST_F(RolloutSubmitterTest, AFullQueueRefusesAndLosesNothingElse) {
  reward_.gate.Shut();
  const auto submitter = MakeSubmitter(/*capacity=*/2);
  ASSERT_EQ(submitter->Add({Pending("a", "x")}), 0);
  // The first has left the queue when its score is asked for.
  ASSERT_TRUE(Eventually([&] { return reward_.num_calls() == 1; }));
  EXPECT_EQ(submitter->Add({Pending("b", "x")}), 0);
  EXPECT_EQ(submitter->Add({Pending("c", "x")}), 0);
  EXPECT_EQ(submitter->Add({Pending("d", "x")}), 1);
  reward_.gate.Open();
  ASSERT_TRUE(Done(3));
  EXPECT_THAT(learner_.rollouts(), SizeIs(3));
}

TEST_F(RolloutSubmitterTest, TheDestructorDeliversWhatIsQueued) {
  auto submitter = MakeSubmitter();
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_EQ(submitter->Add({Pending(id, "x")}), 0);
  }
  submitter.reset();
  EXPECT_THAT(learner_.rollouts(), SizeIs(3));
}

}  // namespace
}  // namespace rlhf
