// Ranks that die or stand still: the others name them and end.
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/launch/exit_codes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

class RankFailureTest : public LearnerTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(LearnerTest::SetUp());
    Prepare("ranks");
    config_.mutable_learner()->set_rank_timeout_seconds(1);
    WriteConfig();
  }

  // Two ranks that wait for rollouts, which nobody samples; rank r writes its
  // messages to LogOf(r).
  void StartBoth() {
    ++num_starts_;
    const int port = FreePorts(1)[0];
    for (int rank = 0; rank < 2; ++rank) {
      pids_.push_back(StartProgram(
          {"sh", "-c",
           absl::StrCat("exec ", binary_, " learner --config ", config_path_,
                        " 2> ", LogOf(rank))},
          {absl::StrCat("RANK=", rank), "WORLD_SIZE=2", "MASTER_ADDR=127.0.0.1",
           absl::StrCat("MASTER_PORT=", port)}));
    }
    for (int rank = 0; rank < 2; ++rank) {
      ASSERT_TRUE(WaitUntil(absl::Seconds(30), [&] {
        return absl::StrContains(Log(rank), "all 2 ranks are there");
      })) << Log(rank);
    }
  }
  std::string LogOf(int rank) const {
    return folder_ / absl::StrCat("start", num_starts_, "-rank", rank, ".log");
  }
  std::string Log(int rank) const { return ReadFile(LogOf(rank)).value_or(""); }

  std::vector<pid_t> pids_;
  int num_starts_ = 0;
};

TEST_F(RankFailureTest, ADeadRankIsNamedWithinTwoSeconds) {
  for (int dead = 0; dead < 2; ++dead) {
    SCOPED_TRACE(dead);
    pids_.clear();
    ASSERT_NO_FATAL_FAILURE(StartBoth());
    const absl::Time killed = absl::Now();
    ::kill(pids_[dead], SIGKILL);
    EXPECT_EQ(Wait(pids_[1 - dead]), kAnotherRankFailed);
    EXPECT_LT(absl::Now() - killed, absl::Seconds(2));
    EXPECT_THAT(Log(1 - dead), HasSubstr(absl::StrCat("rank ", dead, " died")));
    EXPECT_EQ(Wait(pids_[dead]), -SIGKILL);
  }
}

TEST_F(RankFailureTest, AStuckRankIsNamedAndTheOthersAreNotStuckWithIt) {
  for (int stuck = 0; stuck < 2; ++stuck) {
    SCOPED_TRACE(stuck);
    pids_.clear();
    ASSERT_NO_FATAL_FAILURE(StartBoth());
    const absl::Time stopped = absl::Now();
    ::kill(pids_[stuck], SIGSTOP);
    EXPECT_EQ(Wait(pids_[1 - stuck]), kAnotherRankFailed);
    // The timeout is 1 s; the collective's is a minute.
    EXPECT_LT(absl::Now() - stopped, absl::Seconds(4));
    EXPECT_THAT(Log(1 - stuck),
                HasSubstr(absl::StrCat("rank ", stuck,
                                       " is stuck: no sign of life for 1s; it "
                                       "last told of ")));
    // Awake again, it finds that it was given up.
    ::kill(pids_[stuck], SIGCONT);
    EXPECT_EQ(Wait(pids_[stuck]), kAnotherRankFailed);
  }
}

TEST_F(RankFailureTest, SigtermToOneRankStopsAllInGoodOrder) {
  for (int asked = 0; asked < 2; ++asked) {
    SCOPED_TRACE(asked);
    pids_.clear();
    ASSERT_NO_FATAL_FAILURE(StartBoth());
    ::kill(pids_[asked], SIGTERM);
    for (const pid_t pid : pids_) EXPECT_EQ(Wait(pid), kStoppedEarly);
  }
}

}  // namespace
}  // namespace rlhf
