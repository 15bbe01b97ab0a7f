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

TEST(RankSharesTest, SamplesOfARankKeepTheirOrder) {
  EXPECT_THAT(SamplesOf(1, {0, 1, 1, 0, 1}, {4, 0, 2}), ElementsAre(4, 2));
}

TEST(RankSharesTest, ARankCatchesUpWithTheOneThatPassesMost) {
  const std::vector<int32_t> four = {1, 2, 3, 4};
  const PromptResponse dialogue = {.prompt_ids = &four, .response_ids = &four};
  const std::vector<PromptResponse> dialogues(5, dialogue);
  const std::vector<int> rank_of = {0, 0, 0, 1, 0};
  // Two dialogues of eight tokens together: two passes, one, none.
  EXPECT_EQ(PassesBehind(0, dialogues, rank_of, 16), 0);
  EXPECT_EQ(PassesBehind(1, dialogues, rank_of, 16), 1);
  EXPECT_EQ(PassesBehind(2, dialogues, rank_of, 16), 2);
}

}  // namespace
}  // namespace rlhf
