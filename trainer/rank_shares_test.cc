#include "trainer/rank_shares.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;

TEST(RankSharesTest, EqualSamplesAreCountedOut) {
  EXPECT_THAT(ShareOut({{0, 1, 2, 3, 4}}, {7, 7, 7, 7, 7}, 2),
              ElementsAre(0, 1, 0, 1, 0));
}

TEST(RankSharesTest, EachMinibatchIsBalancedForItself) {
  // Counted out over the whole batch, one rank would have all of the first.
  EXPECT_THAT(ShareOut({{0, 2}, {1, 3}}, {5, 5, 5, 5}, 2),
              ElementsAre(0, 0, 1, 1));
}

TEST(RankSharesTest, LongSamplesStandAgainstSeveralShortOnes) {
  EXPECT_THAT(ShareOut({{0, 1, 2, 3}}, {2, 3, 9, 4}, 2),
              ElementsAre(1, 1, 0, 1));
}

TEST(RankSharesTest, OneRankHasAllAndASpareOneNothing) {
  EXPECT_THAT(ShareOut({{0}, {1}}, {3, 4}, 1), ElementsAre(0, 0));
  EXPECT_THAT(ShareOut({{1, 0}}, {3, 4}, 3), ElementsAre(1, 0));
}

}  // namespace
}  // namespace rlhf
