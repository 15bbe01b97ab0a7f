// A promoted PM that turns out bad is taken back while the reward server runs.
#include "absl/strings/str_cat.h"
#include "core/registry/model_registry.h"
#include "core/rpc/channel.h"
#include "core/rpc/reward_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

class PmRollbackTest : public LearnerTest {
 protected:
  // The version that the reward server says it serves; 0 if it says nothing.
  int64_t Serving() {
    const auto status = rewards_->GetStatus(absl::Seconds(1));
    return status.ok() ? status->serving().version() : 0;
  }

  std::unique_ptr<RewardClient> rewards_;
};

TEST_F(PmRollbackTest, TheOldVersionServesWithinTwoSeconds) {
  Prepare("rollback");
  const ModelRegistry registry(run_ + "/registry/pm");
  ASSERT_OK(registry
                .Publish(2, nullptr,
                         [](const std::string& folder) {
                           return WriteTinyPm(folder, 4);
                         })
                .status());
  ASSERT_OK(registry.Promote(2, 1, {"gate", "it looked better"}));
  StartServers();
  rewards_ = std::make_unique<RewardClient>(config_.reward_server().address());
  ASSERT_TRUE(WaitUntil(absl::Seconds(20), [this] { return Serving() == 2; }));

  const absl::Time before = absl::Now();
  EXPECT_EQ(Wait(Start({"pm", "rollback", "--config", config_path_, "--by",
                        "ann", "--reason", "it likes lists"})),
            0);
  EXPECT_TRUE(WaitUntil(absl::Seconds(2), [this] { return Serving() == 1; }))
      << absl::Now() - before;

  // The batch that opens next has the old version.
  const pid_t learner = Start({"learner", "--config", config_path_});
  EXPECT_EQ(Wait(learner), 0);
  StopServers();
  const std::vector<v1::UpdateReport> updates = Updates();
  ASSERT_FALSE(updates.empty());
  for (const v1::UpdateReport& update : updates) {
    EXPECT_EQ(update.pm().version(), 1);
  }
}

}  // namespace
}  // namespace rlhf
