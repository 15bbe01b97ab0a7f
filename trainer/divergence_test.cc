#include "trainer/divergence.h"

#include <cmath>

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using Action = Divergence::Action;

v1::LearnerConfig Config(double max_kl,
                         v1::LearnerConfig::OnDivergence on_divergence) {
  v1::LearnerConfig config;
  config.set_max_kl_nats_per_sequence(max_kl);
  config.set_on_divergence(on_divergence);
  return config;
}

TEST(JudgeUpdateTest, AHealthyUpdateContinues) {
  EXPECT_EQ(
      JudgeUpdate(
          {.num_steps = 3, .num_skipped_steps = 1, .kl_nats_per_sequence = 9.9},
          Config(10, v1::LearnerConfig::STOP))
          .action,
      Action::kContinue);
}

TEST(JudgeUpdateTest, WithoutALimitNoKlIsTooLarge) {
  for (const double kl : {1e9, static_cast<double>(NAN)}) {
    EXPECT_EQ(JudgeUpdate({.num_steps = 1, .kl_nats_per_sequence = kl},
                          Config(0, v1::LearnerConfig::STOP))
                  .action,
              Action::kContinue);
  }
}

TEST(JudgeUpdateTest, AKlAboveTheLimitOrNoNumberIsThePolicysFault) {
  for (const double kl : {10.1, HUGE_VAL, static_cast<double>(NAN)}) {
    const Divergence divergence =
        JudgeUpdate({.num_steps = 1, .kl_nats_per_sequence = kl},
                    Config(10, v1::LearnerConfig::ROLL_BACK));
    EXPECT_EQ(divergence.action, Action::kRollBack) << kl;
    EXPECT_TRUE(divergence.policy_is_bad);
    EXPECT_THAT(divergence.reason, HasSubstr("above the limit of 10"));
  }
}

TEST(JudgeUpdateTest, NoStepThoughSomeWereTriedIsTheBatchsFault) {
  const Divergence divergence =
      JudgeUpdate({.num_skipped_steps = 8}, Config(0, v1::LearnerConfig::SKIP));
  EXPECT_EQ(divergence.action, Action::kSkip);
  EXPECT_FALSE(divergence.policy_is_bad);
  EXPECT_THAT(divergence.reason, HasSubstr("none of its 8 optimizer steps"));
  // Before the first step nothing was tried yet.
  EXPECT_EQ(JudgeUpdate({}, Config(0, v1::LearnerConfig::SKIP)).action,
            Action::kContinue);
}

TEST(JudgeUpdateTest, DoesWhatIsConfigured) {
  for (const auto& [configured, expected] :
       {std::pair(v1::LearnerConfig::STOP, Action::kStop),
        {v1::LearnerConfig::SKIP, Action::kSkip},
        {v1::LearnerConfig::ROLL_BACK, Action::kRollBack}}) {
    EXPECT_EQ(
        JudgeUpdate({.num_skipped_steps = 1}, Config(0, configured)).action,
        expected);
  }
}

class LeftOutTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(MakeDirectories(dir_ / "rollouts"));
    left_out_.header.set_update(12);
    left_out_.header.mutable_pm()->set_version(3);
    left_out_.header.mutable_pm()->set_digest("abc");
    left_out_.reason = "the KL is nan";
    left_out_.rolled_back_to = 8;
  }

  const TempDir dir_;
  LeftOut left_out_;
};

TEST_F(LeftOutTest, IsReadAsItWasWritten) {
  for (const bool rolled_back : {true, false}) {
    if (!rolled_back) left_out_.rolled_back_to.reset();
    ASSERT_OK_AND_ASSIGN(const LeftOut read,
                         DecodeLeftOut(EncodeLeftOut(left_out_)));
    EXPECT_EQ(read.header.update(), 12);
    EXPECT_EQ(read.header.pm().version(), 3);
    EXPECT_EQ(read.header.pm().digest(), "abc");
    EXPECT_EQ(read.reason, left_out_.reason);
    EXPECT_EQ(read.rolled_back_to, left_out_.rolled_back_to);
  }
  EXPECT_FALSE(DecodeLeftOut("{}").ok());
}

TEST_F(LeftOutTest, TheJournalStandsAsideWithItsReasonBesideIt) {
  ASSERT_OK(
      RolloutJournal::Create(JournalPath(dir_.path(), 12), left_out_.header)
          .status());
  ASSERT_OK_AND_ASSIGN(auto before, FindLeftOut(dir_.path(), 12));
  EXPECT_FALSE(before.has_value());

  ASSERT_OK(SetAside(dir_.path(), left_out_));

  EXPECT_THAT(
      ListDirectory(dir_ / "rollouts"),
      testing::ElementsAre("000012.poisoned.json", "000012.poisoned.pb"));
  ASSERT_OK_AND_ASSIGN(const auto found, FindLeftOut(dir_.path(), 12));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->reason, left_out_.reason);
  JournalContents contents;
  EXPECT_OK(RolloutJournal::Open(PoisonedJournalPath(dir_.path(), 12), contents)
                .status());
}

// A crash between the note and the move: the batch is still to be trained on.
TEST_F(LeftOutTest, ANoteAloneLeavesNothingOut) {
  EXPECT_FALSE(SetAside(dir_.path(), left_out_).ok());
  EXPECT_TRUE(FileExists(dir_ / "rollouts/000012.poisoned.json"));
  ASSERT_OK_AND_ASSIGN(const auto found, FindLeftOut(dir_.path(), 12));
  EXPECT_FALSE(found.has_value());
}

}  // namespace
}  // namespace rlhf
