#include "core/nn/sequence_scores.h"

#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SequenceScoresTest, BatchMatesDoNotChangeAScore) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_score")));
  const Json expected = NnExpected("llama_score");
  const auto ids = expected["ids"].get<std::vector<int32_t>>();
  const std::vector<int32_t> other = {4, 5, 6};

  // 25 tokens hold one long sequence and one short one: two groups.
  ASSERT_OK_AND_ASSIGN(const std::vector<float> scores,
                       ScoreSequences(model, {other, ids, ids, other}, 25));

  ASSERT_EQ(scores.size(), 4);
  EXPECT_NEAR(scores[1], expected["score"].get<double>(), 1e-5);
  EXPECT_NEAR(scores[2], scores[1], 1e-5);
  EXPECT_NEAR(scores[3], scores[0], 1e-5);
}

TEST(SequenceScoresTest, GroupsAreFilledInOrder) {
  const std::vector<std::vector<int32_t>> sequences = {
      {1, 2}, {1, 2}, {1, 2, 3}, {1}, {1, 2, 3, 4, 5}};
  EXPECT_THAT(GroupByTokens(sequences, 4), ElementsAre(2, 2, 1));
}

TEST(SequenceScoresTest, RefusesWhatTheModelCannotRead) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_score")));
  EXPECT_THAT(ScoreSequences(model, {{1}, {}}, 8),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("dialogue 1 has no tokens")));
  EXPECT_THAT(ScoreSequences(model, {{64}}, 8),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("token id 64 is outside the vocabulary")));
}

}  // namespace
}  // namespace rlhf
