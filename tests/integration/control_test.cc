// Orders to real learner processes, one of which is killed between an order and
// its effect.
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/launch/exit_codes.h"
#include "core/rpc/channel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/order_log.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

// More than end while an order is on its way.
constexpr int kManyUpdates = 60;

class ControlTest : public LearnerTest {
 protected:
  // Runs `rlhf WORDS`; `said_` is what it printed.
  int Rlhf(const std::string& words) {
    const std::string log = folder_ / "said.log";
    const int code = Wait(StartProgram(
        {"sh", "-c", absl::StrCat(binary_, " ", words, " > ", log, " 2>&1")}));
    said_ = *ReadFile(log);
    return code;
  }
  int Control(const std::string& words) {
    return Rlhf(absl::StrCat("control ", words, " --by ann --reason 'to see' ",
                             "--config ", config_path_));
  }

  std::string Phase() {
    const auto stub =
        v1::Control::NewStub(MakeChannel(config_.learner().address()));
    const auto context = ContextWithDeadline(absl::Seconds(1));
    v1::LearnerStatus status;
    const bool answers =
        stub->GetStatus(context.get(), v1::GetLearnerStatusRequest(), &status)
            .ok();
    return answers ? status.phase() : "";
  }
  bool IsPaused() { return absl::StartsWith(Phase(), "paused by ann"); }

  int64_t NewestCheckpoint() const {
    const auto newest = CheckpointStore(run_ + "/checkpoints", 1).Newest();
    return newest.ok() && newest->has_value() ? (*newest)->step : -1;
  }

  std::vector<v1::OrderRecord> Orders() const {
    const auto orders = OrderLog(run_).ReadAll();
    EXPECT_OK(orders);
    return orders.ok() ? *orders : std::vector<v1::OrderRecord>();
  }

  pid_t StartLearner() { return Start({"learner", "--config", config_path_}); }

  std::string said_;
};

TEST_F(ControlTest, OrdersOutliveAKilledLearnerAndAreReplayed) {
  Prepare("orders", kManyUpdates);
  // None but the one that is ordered, and the last.
  config_.mutable_learner()->set_checkpoint_every(100);
  WriteConfig();
  StartServers();
  const pid_t killed = StartLearner();
  ASSERT_TRUE(
      WaitUntil(absl::Seconds(60), [&] { return Updates().size() >= 2; }));
  ASSERT_EQ(Control("pause"), 0) << said_;
  ASSERT_TRUE(WaitUntil(absl::Seconds(20), [&] { return IsPaused(); }));
  const size_t done = Updates().size();
  EXPECT_EQ(Rlhf(absl::StrCat("wait --ready --role learner ", config_path_)), 0)
      << said_;
  EXPECT_EQ(Rlhf(absl::StrCat("status ", config_path_)), 0);
  EXPECT_THAT(said_, HasSubstr("paused by ann: to see"));

  ASSERT_EQ(Control("set ppo.kl_coefficient=0.5"), 0) << said_;
  ASSERT_EQ(Control("set ppo.learning_rate=0.02 "
                    "--revert-if 'response_tokens_mean > 0'"),
            0)
      << said_;
  EXPECT_EQ(Control("set ppo.learning_rate=2"), 2);
  EXPECT_THAT(said_, HasSubstr("ppo.learning_rate is 2; wanted at least 0 and "
                               "at most 1"));
  ASSERT_EQ(Control("checkpoint"), 0) << said_;
  EXPECT_TRUE(WaitUntil(absl::Seconds(20), [&] {
    return NewestCheckpoint() == static_cast<int64_t>(done);
  })) << NewestCheckpoint();
  ASSERT_EQ(::kill(killed, SIGKILL), 0);
  Wait(killed);

  const pid_t learner = StartLearner();
  ASSERT_TRUE(WaitUntil(absl::Seconds(20), [&] { return IsPaused(); }));
  EXPECT_EQ(Updates().size(), done);
  ASSERT_EQ(Control("resume"), 0) << said_;
  ASSERT_EQ(Wait(learner), 0);
  StopServers();

  const std::vector<v1::OrderRecord> orders = Orders();
  ASSERT_EQ(orders.size(), 6u);
  const int64_t from = orders[1].from_update();
  EXPECT_GT(from, static_cast<int64_t>(done));
  for (const v1::UpdateReport& update : Updates()) {
    EXPECT_EQ(update.kl_coefficient(),
              update.update() < from ? config_.ppo().kl_coefficient() : 0.5)
        << update.update();
    EXPECT_EQ(update.learning_rate() > config_.ppo().learning_rate(),
              update.update() == from)
        << update.update();
  }
  EXPECT_EQ(orders[5].order().action(), v1::Order::REVERT);
  EXPECT_EQ(orders[5].order().reverts(), 3);
  EXPECT_EQ(orders[5].from_update(), from + 1);
  EXPECT_EQ(Rlhf(absl::StrCat("control list --config ", config_path_)), 0);
  EXPECT_THAT(said_, HasSubstr("rlhf       order 3 taken back: "
                               "ppo.learning_rate 0.02 -> 0.01"));

  EXPECT_EQ(Rlhf(absl::StrCat("replay ", config_path_)), 0) << said_;
  EXPECT_THAT(said_, HasSubstr(absl::StrCat(
                         kManyUpdates, " updates are identical to the bit")));
  EXPECT_EQ(Rlhf(absl::StrCat("replay --from-checkpoint ", config_path_)), 0)
      << said_;
}

TEST_F(ControlTest, ALearnerThatIsOrderedToStopSavesAndGoesOnWhenStarted) {
  Prepare("stop", /*num_updates=*/200);
  StartServers();
  const pid_t learner = StartLearner();
  ASSERT_TRUE(
      WaitUntil(absl::Seconds(60), [&] { return Updates().size() >= 1; }));
  ASSERT_EQ(Control("stop"), 0) << said_;
  EXPECT_EQ(Wait(learner), kStoppedEarly);
  const auto done = static_cast<int64_t>(Updates().size());
  EXPECT_EQ(NewestCheckpoint(), done);
  config_.mutable_ppo()->set_num_updates(static_cast<int>(done) + 2);
  WriteConfig();
  EXPECT_EQ(Wait(StartLearner()), 0);
  EXPECT_EQ(static_cast<int64_t>(Updates().size()), done + 2);
}

TEST_F(ControlTest, TwoRanksFollowOneOrder) {
  Prepare("ranks", kManyUpdates);
  StartServers();
  const std::vector<pid_t> ranks = StartRanks(2);
  ASSERT_TRUE(
      WaitUntil(absl::Seconds(60), [&] { return Updates().size() >= 1; }));
  ASSERT_EQ(Control("pause"), 0) << said_;
  ASSERT_EQ(Control("set ppo.kl_coefficient=0.5"), 0) << said_;
  ASSERT_EQ(Control("checkpoint"), 0) << said_;
  ASSERT_EQ(Control("resume"), 0) << said_;
  for (const pid_t rank : ranks) EXPECT_EQ(Wait(rank), 0);
  ASSERT_EQ(Updates().size(), kManyUpdates);
  EXPECT_EQ(Updates().back().kl_coefficient(), 0.5);
}

TEST_F(ControlTest, ARunThatIsOrderedToStopEndsAsAWhole) {
  Prepare("whole", /*num_updates=*/200);
  const pid_t up = Start({"up", config_path_, "--plain"});
  ASSERT_TRUE(
      WaitUntil(absl::Seconds(90), [&] { return Updates().size() >= 1; }));
  ASSERT_EQ(Control("stop"), 0) << said_;
  EXPECT_EQ(Wait(up), kStoppedEarly);
  EXPECT_EQ(NewestCheckpoint(), static_cast<int64_t>(Updates().size()));
}

}  // namespace
}  // namespace rlhf
