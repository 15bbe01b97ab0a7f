// Batches that are open beside the one that is collected.
#include <future>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/batch_source_fixtures.h"

namespace rlhf {
namespace {

// One version of staleness: the batch after the one that is collected is open
// too.
class BatchesAheadTest : public BatchSourceTest {
 protected:
  BatchesAheadTest() : BatchSourceTest(/*max_staleness=*/1) {}

  void MakeFirst() {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
};

TEST_F(BatchesAheadTest, ActorsGoOnWhileTheLearnerUpdates) {
  MakeFirst();
  // The learner trains on batch 1 and has published nothing.
  const std::vector<v1::PromptLease> leases = Lease(0, 8);
  ASSERT_EQ(leases.size(), 2);
  for (const v1::PromptLease& lease : leases) Submit(lease, 0);
  EXPECT_EQ(leases[0].rollout_id(), "000002/000");
  // Batch 3 must wait for version 1.
  EXPECT_TRUE(Lease(0, 8).empty());
  EXPECT_EQ(Collect(2).rollouts[0].policy_version(), 0);
  EXPECT_EQ(Lease(1, 1)[0].rollout_id(), "000003/000");
}

TEST_F(BatchesAheadTest, NothingOpensBeyondTheLastUpdate) {
  const auto actor = std::async(std::launch::async, [&] {
    for (int64_t version = 0; version < 4; ++version) Act(version, 2);
  });
  for (int64_t update = 1; update <= 4; ++update) Collect(update);
  EXPECT_TRUE(Lease(4, 8).empty());
  EXPECT_FALSE(FileExists(JournalPath(folder_.path(), 5)));
}

TEST_F(BatchesAheadTest, EachBatchKeepsThePmThatServedWhenItOpened) {
  MakeFirst();
  fake_.Serve(2);
  const auto actor = std::async(std::launch::async, [&] {
    Act(0, 2);
    Act(1, 2);
  });
  const Batch second = Collect(2), third = Collect(3);
  EXPECT_EQ(second.header.pm().version(), 1);
  EXPECT_EQ(third.header.pm().version(), 2);
  // Each on its own scale: version 2 gives twice the scores.
  EXPECT_EQ(third.header.reward_mean(), 2 * second.header.reward_mean());
}

TEST_F(BatchesAheadTest, EveryOpenBatchIsScoredAgainWhenItsPmIsGone) {
  MakeFirst();
  const auto actor = std::async(std::launch::async, [&] {
    Act(0, 1);  // half of batch 2
    while (!rollouts_->is_open(3)) std::this_thread::yield();
    fake_.Serve(4);
    while (PmShown() != 4) std::this_thread::yield();
    Act(0, 1);
    Act(1, 2);
  });
  EXPECT_EQ(Collect(2).header.pm().version(), 4);
  EXPECT_EQ(Collect(3).header.pm().version(), 4);
}

TEST_F(BatchesAheadTest, ARestartFindsEveryOpenBatchInItsJournal) {
  MakeFirst();
  Act(0, 2);
  const Batch second = Collect(2);
  Act(1, 1);  // half of batch 3, while update 2 is made

  StartLearner();
  // From the first update on, without a checkpoint and without an actor.
  Collect(1);
  EXPECT_TRUE(Lease(0, 8).empty());
  EXPECT_EQ(Collect(2).rollouts[1].SerializeAsString(),
            second.rollouts[1].SerializeAsString());
  const std::vector<v1::PromptLease> leases = Lease(1, 8);
  ASSERT_EQ(leases.size(), 1);
  EXPECT_EQ(leases[0].rollout_id(), "000003/001");
}

TEST_F(BatchesAheadTest, OneRequestMayHoldRolloutsOfTwoBatches) {
  MakeFirst();
  Act(0, 1);
  const auto learner = std::async(std::launch::async, [&] { Collect(2); });
  while (!rollouts_->is_open(3)) std::this_thread::yield();
  const std::vector<v1::PromptLease> leases = Lease(1, 2);
  ASSERT_EQ(leases.size(), 2);
  EXPECT_EQ(leases[0].rollout_id(), "000002/001");
  EXPECT_EQ(leases[1].rollout_id(), "000003/000");
  Submit(leases, 1);
  learner.wait();
  JournalContents third;
  ASSERT_OK(RolloutJournal::Open(JournalPath(folder_.path(), 3), third));
  EXPECT_EQ(third.rollouts.size(), 1);
}

}  // namespace
}  // namespace rlhf
