#include "cli/report/samples.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class ReadSamplesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(MakeDirectories(dir_ / "rollouts")); }

  // An update whose rollouts have these rewards and say so.
  void AddUpdate(int64_t update, const std::vector<float>& rewards) {
    report_.add_updates()->set_update(update);
    ASSERT_OK_AND_ASSIGN(
        RolloutJournal journal,
        RolloutJournal::Create(JournalPath(dir_.path(), update),
                               v1::BatchHeader()));
    std::vector<v1::Rollout> rollouts;
    for (const float reward : rewards) {
      v1::Rollout& rollout = rollouts.emplace_back();
      rollout.set_reward(reward);
      rollout.set_response_text(absl::StrCat(reward));
    }
    ASSERT_OK(journal.Append(rollouts));
  }

  const TempDir dir_;
  v1::Report report_;
};

TEST_F(ReadSamplesTest, TakesTheMedianOfABatchAndPassesOverWhatIsNoNumber) {
  AddUpdate(1, {3, NAN, 1, 2, NAN});
  AddUpdate(2, {NAN});
  ASSERT_OK_AND_ASSIGN(const auto samples, ReadSamples(dir_.path(), report_));
  ASSERT_THAT(samples, SizeIs(1));
  EXPECT_EQ(samples[0].update, 1);
  EXPECT_EQ(samples[0].rollout.response_text(), "2");
}

TEST_F(ReadSamplesTest, TakesSixUpdatesEvenlySpacedWithTheFirstAndTheLast) {
  for (int update = 1; update <= 11; ++update) AddUpdate(update, {1});
  ASSERT_OK_AND_ASSIGN(const auto samples, ReadSamples(dir_.path(), report_));
  std::vector<int64_t> updates;
  for (const UpdateSample& sample : samples) updates.push_back(sample.update);
  EXPECT_THAT(updates, ElementsAre(1, 3, 5, 7, 9, 11));
}

TEST_F(ReadSamplesTest, AMissingJournalIsPassedOverAndADamagedOneIsNamed) {
  report_.add_updates()->set_update(1);
  AddUpdate(2, {1});
  ASSERT_OK_AND_ASSIGN(const auto samples, ReadSamples(dir_.path(), report_));
  EXPECT_THAT(samples, SizeIs(1));
  ASSERT_OK(
      WriteFileAtomically(JournalPath(dir_.path(), 1), std::string(40, 'x')));
  EXPECT_THAT(ReadSamples(dir_.path(), report_),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("000001.pb")));
}

}  // namespace
}  // namespace rlhf
