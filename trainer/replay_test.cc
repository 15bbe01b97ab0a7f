#include "trainer/replay.h"

#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/comm/communicator.h"
#include "core/config/run_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"
#include "trainer/checkpoint/checkpoint_store.h"
#include "trainer/experience/rollout_broker.h"
#include "trainer/experience/rollout_journal.h"
#include "trainer/learner_models.h"
#include "trainer/learner_state.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int64_t kUpdates = 3;
constexpr int64_t kRollouts = 4;

// A run of three updates, some of its rollouts stale, as a learner left it:
// journals, checkpoints of updates 1 and 2, and what it reported.
class ReplayTest : public testing::Test {
 protected:
  ReplayTest() {
    config_.set_name("run");
    config_.set_runs_dir(folder_ / "runs");
    config_.set_initial_policy(folder_ / "model");
    config_.mutable_ppo()->set_rollouts_per_update(kRollouts);
    config_.mutable_ppo()->set_num_minibatches(2);
    config_.mutable_ppo()->set_learning_rate(1e-3);
    config_.mutable_ppo()->set_max_staleness(1);
    run_ = RunDirectory(config_);
    EXPECT_OK(WriteTinyModel(folder_ / "model", 1));
    EXPECT_OK(MakeDirectories(run_ + "/rollouts"));
    for (int64_t update = 1; update <= kUpdates; ++update) {
      WriteJournal(update, kRollouts);
    }
    Learn();
  }

  // Rollouts in an order of arrival that is not that of their slots.
  void WriteJournal(int64_t update, int64_t num_rollouts,
                    v1::BatchHeader header = {}) {
    header.set_update(update);
    header.mutable_pm()->set_version(1);
    if (update > 1) header.set_reward_scale(1);
    ASSERT_OK(RemoveAll(JournalPath(run_, update)));
    ASSERT_OK_AND_ASSIGN(
        RolloutJournal journal,
        RolloutJournal::Create(JournalPath(run_, update), header));
    std::vector<v1::Rollout> rollouts;
    for (int64_t slot = num_rollouts - 1; slot >= 0; --slot) {
      v1::Rollout& rollout = rollouts.emplace_back();
      rollout.set_rollout_id(RolloutId(update, slot));
      rollout.set_policy_version(update > 1 ? update - 1 - slot % 2 : 0);
      rollout.set_reward(static_cast<float>(slot));
      v1::MemberScore& score = *rollout.add_member_scores();
      score.set_member("kind");
      score.set_score(static_cast<float>(2 * slot));
      rollout.set_finish_reason(v1::FINISH_REASON_STOP);
      rollout.add_prompt_ids(5);
      for (int i = 0; i < 4; ++i) {
        rollout.add_response_ids(
            static_cast<int32_t>(3 + MixHash(MixHash(update, slot), i) % 500));
        rollout.add_behaviour_logprobs(-6);
      }
    }
    ASSERT_OK(journal.Append(rollouts));
  }

  void Learn() {
    ASSERT_OK_AND_ASSIGN(PpoTrainer::Models models, LoadLearnerModels(config_));
    ASSERT_OK_AND_ASSIGN(const PpoTrainer::Options options,
                         LoadTrainerOptions(config_));
    SingleCommunicator alone;
    PpoTrainer trainer(std::move(models), options, &alone);
    CheckpointStore store(run_ + "/checkpoints", 2);
    for (int64_t update = 1; update <= kUpdates; ++update) {
      ASSERT_OK_AND_ASSIGN(const Batch batch,
                           ReadBatch(run_, update, kRollouts));
      ASSERT_OK_AND_ASSIGN(v1::UpdateReport report,
                           MakeUpdate(batch, {}, trainer));
      recorded_.push_back(report);
      if (update == kUpdates) continue;
      ASSERT_OK_AND_ASSIGN(const LearnerState state, GatherLearner(trainer));
      ASSERT_OK_AND_ASSIGN(const LearnerSnapshot snapshot,
                           CopyLearner(state, {.update = update}));
      ASSERT_OK(store.Save(update, [&](const std::string& folder) {
        return WriteLearner(snapshot, {.config = config_}, folder);
      }));
    }
  }

  // Replays and compares; `num_compared_` updates are the same.
  absl::Status Compare(bool from_checkpoint = false) {
    num_compared_ = 0;
    return Replay(
        config_, {.from_checkpoint = from_checkpoint, .last_update = kUpdates},
        [this](const v1::UpdateReport& replayed) {
          const std::string difference =
              FirstDifference(recorded_[replayed.update() - 1], replayed);
          if (!difference.empty()) return absl::InternalError(difference);
          ++num_compared_;
          return absl::OkStatus();
        });
  }

  TempDir folder_;
  v1::RunConfig config_;
  std::string run_;
  std::vector<v1::UpdateReport> recorded_;
  int num_compared_ = 0;
};

TEST_F(ReplayTest, EveryUpdateIsTheSameToTheBit) {
  EXPECT_OK(Compare());
  EXPECT_EQ(num_compared_, 3);
  EXPECT_EQ(recorded_[1].staleness_max(), 1);
  EXPECT_NE(recorded_[1].behaviour_weight_mean(), 1);
}

TEST_F(ReplayTest, FromTheOldestCheckpointTheRestIsTheSame) {
  EXPECT_OK(Compare(/*from_checkpoint=*/true));
  EXPECT_EQ(num_compared_, 2);
}

TEST_F(ReplayTest, WhatWasOrderedIsFollowedAgain) {
  v1::BatchHeader header;
  header.mutable_settings()->set_kl_coefficient(0.5);
  header.mutable_settings()->set_kl_order(1);
  WriteJournal(2, kRollouts, header);
  header.mutable_settings()->set_learning_rate(5e-3);
  v1::PmMixture::Member& member = *header.mutable_mixture()->add_members();
  member.set_name("kind");
  member.set_objective("kind");
  member.set_weight(1);
  WriteJournal(3, kRollouts, header);
  ASSERT_OK(RemoveAll(run_ + "/checkpoints"));
  const std::vector<v1::UpdateReport> before = recorded_;
  recorded_.clear();
  Learn();

  EXPECT_EQ(recorded_[0].parameter_hash(), before[0].parameter_hash());
  EXPECT_NE(recorded_[0].kl_coefficient(), 0.5);
  EXPECT_EQ(recorded_[1].kl_coefficient(), 0.5);
  EXPECT_EQ(recorded_[2].kl_coefficient(), 0.5);
  EXPECT_EQ(recorded_[1].learning_rate(), before[1].learning_rate());
  EXPECT_NEAR(recorded_[2].learning_rate(), 5e-3, 1e-6);
  EXPECT_EQ(recorded_[1].reward_mean(), 1.5);
  EXPECT_EQ(recorded_[2].reward_mean(), 3);
  EXPECT_OK(Compare());
  EXPECT_EQ(num_compared_, 3);
  EXPECT_OK(Compare(/*from_checkpoint=*/true));
  EXPECT_EQ(num_compared_, 2);
}

TEST_F(ReplayTest, SaysWhichUpdateAndFieldDiffersFirst) {
  config_.mutable_ppo()->set_behaviour_weight_cap(0);
  EXPECT_THAT(Compare(),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(StartsWith("update 2: "), HasSubstr(" was "))));
  EXPECT_EQ(num_compared_, 1);
}

TEST_F(ReplayTest, ADamagedOrIncompleteJournalIsNamed) {
  WriteJournal(2, kRollouts - 1);
  EXPECT_THAT(Compare(),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(StartsWith("update 2: "), HasSubstr("000002.pb"),
                             HasSubstr("holds 3 rollouts"),
                             HasSubstr("wanted each of the 4"))));

  WriteJournal(2, kRollouts);
  std::string bytes = *ReadFile(JournalPath(run_, 2));
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_OK(WriteFileAtomically(JournalPath(run_, 2), bytes));
  EXPECT_THAT(Compare(), StatusIs(absl::StatusCode::kDataLoss,
                                  AllOf(StartsWith("update 2: "),
                                        HasSubstr("is damaged"))));
  // Reading leaves it as it is.
  EXPECT_EQ(*ReadFile(JournalPath(run_, 2)), bytes);
}

TEST_F(ReplayTest, MoreThanAThousandSlotsAreInOrder) {
  WriteJournal(4, 1001);
  ASSERT_OK_AND_ASSIGN(const Batch batch, ReadBatch(run_, 4, 1001));
  EXPECT_EQ(batch.rollouts[999].rollout_id(), "000004/999");
  EXPECT_EQ(batch.rollouts[1000].rollout_id(), "000004/1000");
}

TEST_F(ReplayTest, ARunOfSeveralRanksIsRefused) {
  config_.mutable_learner()->set_num_ranks(2);
  EXPECT_THAT(Compare(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("learner.num_ranks")));
}

TEST_F(ReplayTest, ACheckpointThatIsAskedForMustBeThere) {
  ASSERT_OK(RemoveAll(run_ + "/checkpoints"));
  EXPECT_THAT(Compare(true), StatusIs(absl::StatusCode::kNotFound,
                                      HasSubstr("no checkpoint")));
}

TEST(FirstDifferenceTest, ComparesEveryFieldButTimes) {
  v1::UpdateReport a;
  a.set_policy_loss(0.1);
  a.set_update_seconds(1);
  v1::UpdateReport b = a;
  b.set_update_seconds(2);
  EXPECT_EQ(FirstDifference(a, b), "");
  b.set_policy_loss(0.1 + 1e-18);
  EXPECT_EQ(FirstDifference(a, b), "");  // the same number
  b.set_policy_loss(std::nextafter(0.1, 1));
  EXPECT_EQ(FirstDifference(a, b),
            "policy_loss was 0.1, now it is 0.10000000000000002");
  b = a;
  b.mutable_pm()->set_version(3);
  EXPECT_THAT(FirstDifference(a, b),
              AllOf(StartsWith("pm was"), HasSubstr("3")));
  a.set_value_loss(std::numeric_limits<double>::quiet_NaN());
  b = a;
  EXPECT_EQ(FirstDifference(a, b), "");
}

}  // namespace
}  // namespace rlhf
