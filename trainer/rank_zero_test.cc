#include "trainer/rank_zero.h"

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using Word = absl::StatusOr<std::string>;

TEST(RankZeroTest, AllRanksHaveWhatRankZeroFound) {
  OnRanks(3, absl::Seconds(20), [](Communicator& communicator) {
    const Word word = RunOnRankZero(communicator, [&]() -> Word {
      EXPECT_EQ(communicator.rank(), 0);
      return "tea";
    });
    EXPECT_THAT(word, IsOkAndHolds("tea"));
  });
}

TEST(RankZeroTest, WorkMayTakeLongerThanACollective) {
  const absl::Duration timeout = absl::Seconds(3);
  OnTwoRanks(timeout, [&](Communicator& communicator) {
    const absl::Time end = absl::Now() + 1.5 * timeout;
    const Word word = RunOnRankZero(communicator, [&]() -> Word {
      while (absl::Now() < end) absl::SleepFor(absl::Milliseconds(10));
      return "at last";
    });
    EXPECT_THAT(word, IsOkAndHolds("at last"));
  });
}

TEST(RankZeroTest, TheOthersHearWhyItFailed) {
  OnTwoRanks(absl::Seconds(20), [](Communicator& communicator) {
    const Word word = RunOnRankZero(
        communicator, []() -> Word { return absl::DataLossError("no disk"); });
    const bool is_zero = communicator.rank() == 0;
    EXPECT_THAT(word, StatusIs(is_zero ? absl::StatusCode::kDataLoss
                                       : absl::StatusCode::kAborted,
                               is_zero ? "no disk" : "rank 0 failed: no disk"));
  });
}

}  // namespace
}  // namespace rlhf
