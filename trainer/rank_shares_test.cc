#include "trainer/rank_shares.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

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
