#include "reward_server/pm_scores.h"

#include "core/nn/sequence_scores.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward_server/reward_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ScoreDialoguesTest, SeveralPassesGiveTheScoresInOrder) {
  const auto pm = TinyPmOfTwo(1, 1, 2);
  // Pairs that begin alike, apart from each other.
  const std::vector<std::vector<int32_t>> sequences = {
      {7, 8, 9, 10, 11, 12}, {3, 4},    {7, 8, 9, 10, 11, 13},
      {20, 21, 22},          {3, 4, 5}, {7, 8, 9, 10}};
  ASSERT_OK_AND_ASSIGN(const PmScores whole,
                       ScoreDialogues(*pm, sequences, 1000));
  ASSERT_OK_AND_ASSIGN(const PmScores parts, ScoreDialogues(*pm, sequences, 8));
  for (size_t i = 0; i < sequences.size(); ++i) {
    EXPECT_NEAR(parts.combined[i], whole.combined[i], 1e-5) << i;
    for (size_t m = 0; m < 2; ++m) {
      EXPECT_NEAR(parts.by_member[m][i], whole.by_member[m][i], 1e-5) << i;
    }
  }
}

TEST(ScoreDialoguesTest, AnErrorNamesTheDialogueAsItWasGiven) {
  EXPECT_THAT(
      ScoreDialogues(*TinyPm(1, 1), {{9, 9, 9}, {8, 9999}, {1, 2, 3}}, 4),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("dialogue 1: token id 9999")));
}

TEST(PmScoresTest, PartAndPlaceUndoEachOther) {
  const PmScores scores = {.combined = {1, 2, 3}, .by_member = {{4, 5, 6}}};
  PmScores placed = {.combined = {0, 0, 0}, .by_member = {{0, 0, 0}}};
  Place(Part(scores, 0, 1), {0}, placed);
  Place(Part(scores, 1, 2), {1, 2}, placed);
  EXPECT_EQ(placed.combined, scores.combined);
  EXPECT_EQ(placed.by_member, scores.by_member);
  Place({.combined = {8, 9}, .by_member = {{6, 7}}}, {2, 0}, placed);
  EXPECT_THAT(placed.combined, ElementsAre(9, 2, 8));
  EXPECT_THAT(placed.by_member[0], ElementsAre(7, 5, 6));
}

}  // namespace
}  // namespace rlhf
