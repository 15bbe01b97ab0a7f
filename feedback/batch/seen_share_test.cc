#include "feedback/batch/seen_share.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Wilson (1927) for 15 of 20 at 95 %: 0.531 to 0.888.
TEST(SeenShareTest, WilsonIntervalOfFifteenOfTwenty) {
  const Interval interval =
      IntervalOf({.count = 15, .total = 20}, kBatchQuantile);
  EXPECT_NEAR(interval.low, 0.5313, 1e-4);
  EXPECT_NEAR(interval.high, 0.8881, 1e-4);
}

TEST(SeenShareTest, NothingSeenSaysNothing) {
  const Interval interval = IntervalOf({}, kBatchQuantile);
  EXPECT_EQ(interval.low, 0);
  EXPECT_EQ(interval.high, 1);
  EXPECT_EQ(DifferenceInterval({}, {.count = 1, .total = 2}, 2).low, -1);
  EXPECT_EQ(DescribeShare({}, kBatchQuantile), "0 of 0");
}

TEST(SeenShareTest, AllOfAFewStaysUnsure) {
  EXPECT_LT(IntervalOf({.count = 5, .total = 5}, kBatchQuantile).low, 0.6);
  EXPECT_EQ(IntervalOf({.count = 5, .total = 5}, kBatchQuantile).high, 1);
}

// The example of Newcombe (1998), table II (a): 56/70 - 48/80.
TEST(SeenShareTest, DifferenceIsNewcombesMethodTen) {
  const Interval interval = DifferenceInterval(
      {.count = 56, .total = 70}, {.count = 48, .total = 80}, kBatchQuantile);
  EXPECT_NEAR(interval.low, 0.0524, 1e-4);
  EXPECT_NEAR(interval.high, 0.3339, 1e-4);
}

TEST(SeenShareTest, DescriptionsNameTheirLevel) {
  const SeenShare share = {.count = 12, .total = 50};
  EXPECT_THAT(DescribeShare(share, kBatchQuantile),
              AllOf(HasSubstr("12 of 50 (24.0 %, 95 % interval 14.3 to 37.4")));
  EXPECT_THAT(DescribeShare(share, kWorkerQuantile),
              HasSubstr("99.9 % interval"));
}

}  // namespace
}  // namespace rlhf
