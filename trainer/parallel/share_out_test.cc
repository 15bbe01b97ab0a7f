#include "trainer/parallel/share_out.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;

TEST(ShareOutTest, EqualSamplesAreCountedOut) {
  EXPECT_THAT(ShareOut({{0, 1, 2, 3, 4}}, {7, 7, 7, 7, 7}, 2),
              ElementsAre(0, 1, 0, 1, 0));
}

TEST(ShareOutTest, EachMinibatchIsBalancedForItself) {
  // Counted out over the whole batch, one rank would have all of the first.
  EXPECT_THAT(ShareOut({{0, 2}, {1, 3}}, {5, 5, 5, 5}, 2),
              ElementsAre(0, 0, 1, 1));
}

TEST(ShareOutTest, LongSamplesStandAgainstSeveralShortOnes) {
  EXPECT_THAT(ShareOut({{0, 1, 2, 3}}, {2, 3, 9, 4}, 2),
              ElementsAre(1, 1, 0, 1));
}

TEST(ShareOutTest, OneRankHasAllAndASpareOneNothing) {
  EXPECT_THAT(ShareOut({{0}, {1}}, {3, 4}, 1), ElementsAre(0, 0));
  EXPECT_THAT(ShareOut({{1, 0}}, {3, 4}, 3), ElementsAre(1, 0));
}

TEST(ShareOutTest, SamplesOfARankKeepTheirOrder) {
  EXPECT_THAT(SamplesOf(1, {0, 1, 1, 0, 1}, {4, 0, 2}), ElementsAre(4, 2));
}

}  // namespace
}  // namespace rlhf
