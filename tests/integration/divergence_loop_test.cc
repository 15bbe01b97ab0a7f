// A batch that poisons its update is set aside, and whoever trains on the
// journals again leaves it out too.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class DivergenceLoopTest : public LearnerTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(LearnerTest::SetUp());
    Prepare("healthy");
    StartServers();
    ASSERT_EQ(Wait(Start({"learner", "--config", config_path_})), 0);
    StopServers();
  }

  // Rewards of the batch of `update` become NaN.
  void Poison(int64_t update) {
    const std::string path = JournalPath(run_, update);
    JournalContents contents;
    ASSERT_OK(RolloutJournal::Open(path, contents).status());
    ASSERT_OK(RemoveAll(path));
    auto journal = RolloutJournal::Create(path, contents.header);
    ASSERT_OK(journal);
    for (v1::Rollout& rollout : contents.rollouts) {
      rollout.set_reward(std::nanf(""));
    }
    ASSERT_OK(journal->Append(contents.rollouts));
  }

  // Trains on the journals; returns the exit code.
  int Replay() { return Wait(Start({"learner", "--config", config_path_})); }

  // Does it again from the journals alone, with the same end.
  void ExpectTheSameFromTheJournals() {
    const std::string bytes = CheckpointBytes(kUpdates);
    ASSERT_OK(RemoveAll(run_ + "/checkpoints"));
    EXPECT_EQ(Replay(), 0);
    EXPECT_TRUE(CheckpointBytes(kUpdates) == bytes);
  }
};

TEST_F(DivergenceLoopTest, StopEndsTheRunAndSkipGoesOnWithoutTheBatch) {
  PrepareReplay("poisoned");
  Poison(2);
  EXPECT_EQ(Replay(), 2);
  ASSERT_EQ(Updates().size(), 1u);

  config_.mutable_learner()->set_on_divergence(v1::LearnerConfig::SKIP);
  WriteConfig();
  EXPECT_EQ(Replay(), 0);

  const std::vector<v1::UpdateReport> updates = Updates();
  ASSERT_EQ(updates.size(), kUpdates);
  EXPECT_THAT(updates[0].left_out(), IsEmpty());
  EXPECT_THAT(updates[1].left_out(),
              HasSubstr("none of its 8 optimizer steps"));
  EXPECT_EQ(updates[1].policy_version(), 2);
  EXPECT_THAT(updates[2].left_out(), IsEmpty());
  EXPECT_FALSE(FileExists(run_ + "/rollouts/000002.pb"));
  EXPECT_TRUE(FileExists(run_ + "/rollouts/000002.poisoned.pb"));
  EXPECT_TRUE(FileExists(run_ + "/rollouts/000002.poisoned.json"));
  ExpectTheSameFromTheJournals();
}

TEST_F(DivergenceLoopTest, AKlThatExplodesRollsBack) {
  PrepareReplay("exploding");
  config_.mutable_learner()->set_on_divergence(v1::LearnerConfig::ROLL_BACK);
  config_.mutable_learner()->set_max_kl_nats_per_sequence(1e-6);
  WriteConfig();
  EXPECT_EQ(Replay(), 0);

  const std::vector<v1::UpdateReport> updates = Updates();
  ASSERT_EQ(updates.size(), kUpdates);
  // The first policy is the reference. What it becomes is too far away, so the
  // second update goes back to it and the third begins there again. (The fourth
  // batch is of neither policy: its KL may have any sign.)
  EXPECT_THAT(updates[0].left_out(), IsEmpty());
  EXPECT_THAT(updates[1].left_out(),
              HasSubstr("above the limit of 1e-06; rolled back to the policy "
                        "of update 0"));
  EXPECT_THAT(updates[2].left_out(), IsEmpty());
  ExpectTheSameFromTheJournals();
}

}  // namespace
}  // namespace rlhf
