// An asynchronous run of real processes whose learner is killed on the way, and
// its replay.
#include <signal.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kAsynchronousUpdates = 8;

class AsynchronousTest : public LearnerTest {
 protected:
  // A run that is one version stale, killed once and finished.
  void MakeRun() {
    Prepare("asynchronous");
    config_.mutable_ppo()->set_num_updates(kAsynchronousUpdates);
    config_.mutable_ppo()->set_max_staleness(1);
    config_.mutable_learner()->set_checkpoint_every(3);
    WriteConfig();
    StartServers();
    const pid_t killed = Start({"learner", "--config", config_path_});
    ASSERT_TRUE(
        WaitUntil(absl::Seconds(60), [&] { return Updates().size() >= 4; }));
    ASSERT_EQ(::kill(killed, SIGKILL), 0);
    Wait(killed);
    ASSERT_EQ(Wait(Start({"learner", "--config", config_path_})), 0);
    StopServers();
  }

  // Runs `rlhf replay`; `said_` is what it printed.
  int Replay(const std::string& flags = "") {
    const std::string log = folder_ / "replay.log";
    const int code =
        Wait(StartProgram({"sh", "-c",
                           absl::StrCat(binary_, " replay ", config_path_, " ",
                                        flags, " > ", log, " 2>&1")}));
    said_ = *ReadFile(log);
    return code;
  }

  std::string said_;
};

TEST_F(AsynchronousTest, IsReplayedToTheBitAndDamageIsNamed) {
  ASSERT_NO_FATAL_FAILURE(MakeRun());
  const std::vector<v1::UpdateReport> updates = Updates();
  ASSERT_EQ(updates.size(), kAsynchronousUpdates);
  int64_t stalest = 0;
  for (const v1::UpdateReport& update : updates) {
    EXPECT_LE(update.staleness_max(), 1) << update.update();
    stalest = std::max(stalest, update.staleness_max());
  }
  EXPECT_EQ(stalest, 1);

  EXPECT_EQ(Replay(), 0) << said_;
  EXPECT_THAT(said_, AllOf(HasSubstr("update 8/8 identical"),
                           HasSubstr(updates.back().parameter_hash()),
                           HasSubstr("8 updates are identical to the bit")));
  // Checkpoints 6 and 8 are kept.
  EXPECT_EQ(Replay("--from-checkpoint"), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("2 updates are identical to the bit"));

  // Another seed puts the samples into other minibatches.
  EXPECT_EQ(Replay("--set seed=7"), 1);
  EXPECT_THAT(said_, HasSubstr("update 1: differs: "));

  const std::string journal = JournalPath(run_, 3);
  std::string bytes = *ReadFile(journal);
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_OK(WriteFileAtomically(journal, bytes));
  EXPECT_EQ(Replay(), 1);
  EXPECT_THAT(said_, AllOf(HasSubstr("update 2/8 identical"),
                           HasSubstr("update 3: "), HasSubstr("is damaged")));
}

}  // namespace
}  // namespace rlhf
