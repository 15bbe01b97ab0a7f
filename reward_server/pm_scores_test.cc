#include "reward_server/pm_scores.h"

#include "core/nn/sequence_scores.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward_server/reward_fixtures.h"
#include "tests/testing/peak_memory.h"
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

// Ten dialogues of 2 to 6 tokens.
std::vector<std::vector<int32_t>> TenDialogues() {
  std::vector<std::vector<int32_t>> sequences;
  for (int32_t i = 0; i < 10; ++i) {
    sequences.emplace_back(static_cast<size_t>(2 + i % 5), 30 + 7 * i);
  }
  return sequences;
}

TEST(ScoreDialoguesTest, IsAskedBeforeEveryPassWhetherToGoOn) {
  const auto pm = TinyPmOfTwo(1, 1, 2);
  int num_asked = 0;
  const auto go_on = [&num_asked] {
    ++num_asked;
    return absl::OkStatus();
  };
  // Passes of 9, 11, 9 and 11 tokens, for each member.
  ASSERT_OK(ScoreDialogues(*pm, TenDialogues(), 12, go_on));
  EXPECT_EQ(num_asked, 2 * 4);
  num_asked = 0;
  ASSERT_OK(ScoreDialogues(*pm, TenDialogues(), 1000, go_on));
  EXPECT_EQ(num_asked, 2);
}

TEST(ScoreDialoguesTest, EndsWhereItIsNotToGoOn) {
  int num_asked = 0;
  EXPECT_THAT(ScoreDialogues(*TinyPm(1, 1), TenDialogues(), 12,
                             [&num_asked] {
                               return ++num_asked < 3
                                          ? absl::OkStatus()
                                          : absl::CancelledError("enough");
                             }),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("enough")));
}

TEST(ScoreDialoguesTest, MemoryIsThatOfOnePassHoweverManyThereAre) {
  const auto pm = TinyPm(1, 1);
  std::vector<std::vector<int32_t>> few, many;
  for (int32_t i = 0; i < 128; ++i) {
    many.emplace_back(16, 100 + i);
    if (i < 4) few.push_back(many.back());
  }
  const auto peak_of = [&pm](const auto& sequences, int64_t max_tokens) {
    const PeakMemory memory;
    EXPECT_OK(ScoreDialogues(*pm, sequences, max_tokens));
    return memory.peak_bytes();
  };
  const int64_t one_pass = peak_of(few, 64);
  EXPECT_LT(peak_of(many, 64), 2 * one_pass);
  EXPECT_GT(peak_of(many, 2048), 4 * one_pass) << "or this shows nothing";
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
