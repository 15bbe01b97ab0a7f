// SIGTERM in the middle of an update that would take too long.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/config/run_config.h"
#include "core/launch/exit_codes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"
#include "trainer/checkpoint/checkpoint_store.h"

namespace rlhf {
namespace {

class PreemptionTest : public LearnerTest {
 protected:
  // Whether the learner is in the update after `done`.
  bool IsInUpdateAfter(int64_t done) {
    const auto stub = v1::Control::NewStub(grpc::CreateChannel(
        config_.learner().address(), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    v1::LearnerStatus status;
    return stub->GetStatus(&context, v1::GetLearnerStatusRequest(), &status)
               .ok() &&
           status.update() == done && status.phase() == "update";
  }
};

TEST_F(PreemptionTest, AnUpdateThatTakesTooLongIsMadeAgainWithTheSameResult) {
  Prepare("quick");
  config_.mutable_ppo()->set_num_updates(2);
  WriteConfig();
  StartServers();
  ASSERT_EQ(Wait(Start({"learner", "--config", config_path_})), 0);
  StopServers();

  // Hundreds of steps in each update; the batches are the same.
  config_.mutable_ppo()->set_num_epochs(48);
  config_.mutable_ppo()->set_num_minibatches(16);
  config_.mutable_learner()->set_checkpoint_every(1);
  config_.mutable_learner()->set_preemption_grace_seconds(1);
  PrepareReplay("slow");
  ASSERT_EQ(Wait(Start({"learner", "--config", config_path_})), 0);
  const std::string expected = CheckpointBytes(2);

  PrepareReplay("preempted");
  const pid_t learner = Start({"learner", "--config", config_path_});
  ASSERT_TRUE(WaitUntil(absl::Seconds(60), [&] { return IsInUpdateAfter(1); }));
  const absl::Time asked = absl::Now();
  EXPECT_EQ(Stop(learner), kStoppedEarly);
  EXPECT_LT(absl::Now() - asked, absl::Seconds(3));
  EXPECT_EQ(Updates().size(), 1u);
  const auto newest = CheckpointStore(run_ + "/checkpoints", 1).Newest();
  ASSERT_OK(newest);
  ASSERT_TRUE(newest->has_value());
  EXPECT_EQ((*newest)->step, 1);

  ASSERT_EQ(Wait(Start({"learner", "--config", config_path_})), 0);
  EXPECT_TRUE(CheckpointBytes(2) == expected);
}

// The one that is asked may be ahead of the other or behind it: neither may
// wait for what the other does not do any more.
TEST_F(PreemptionTest, RanksThatGiveAnUpdateUpEndTogetherInGoodTime) {
  Prepare("quick");
  // Some are short: more than end while the signal is on its way.
  constexpr int kUpdates = 20;
  config_.mutable_ppo()->set_num_updates(kUpdates);
  WriteConfig();
  StartServers();
  ASSERT_EQ(Wait(Start({"learner", "--config", config_path_})), 0);
  StopServers();

  // One long step in each update, so that it is given up before its first.
  config_.mutable_ppo()->set_num_epochs(1);
  config_.mutable_ppo()->set_num_minibatches(1);
  config_.mutable_learner()->set_micro_batch_tokens(16);
  config_.mutable_learner()->set_preemption_grace_seconds(1);
  config_.mutable_learner()->set_checkpoint_every(100);
  for (const int asked_rank : {0, 1}) {
    PrepareReplay(absl::StrCat("preempted", asked_rank));
    const std::vector<pid_t> ranks = StartRanks(2);
    ASSERT_TRUE(WaitUntil(absl::Seconds(60), [&] {
      return IsInUpdateAfter(1) || IsInUpdateAfter(2);
    }));
    const absl::Time asked = absl::Now();
    EXPECT_EQ(Stop(ranks[asked_rank]), kStoppedEarly);
    EXPECT_EQ(Wait(ranks[1 - asked_rank]), kStoppedEarly);
    EXPECT_LT(absl::Now() - asked, absl::Seconds(8)) << asked_rank;
    for (const pid_t rank : StartRanks(2)) ASSERT_EQ(Wait(rank), 0);
    EXPECT_EQ(Updates().size(), kUpdates);
    config_.set_name("quick");
    run_ = RunDirectory(config_);
  }
}

}  // namespace
}  // namespace rlhf
