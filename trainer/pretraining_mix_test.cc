#include "trainer/pretraining_mix.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class PretrainingMixTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(tokenizer_, Tokenizer::Load(TinyTokenizer()));
  }

  absl::StatusOr<PretrainingMix> Load(const std::string& text,
                                      int64_t max_tokens = 8) {
    const std::string path = dir_ / "text.jsonl";
    EXPECT_OK(WriteFileAtomically(path, text));
    return PretrainingMix::Load(path, *tokenizer_, max_tokens);
  }

  const TempDir dir_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(PretrainingMixTest, LongTextIsCutAndNothingOfItIsLost) {
  const std::string text = "the cat sat on the mat and looked at the old dog";
  ASSERT_OK_AND_ASSIGN(const PretrainingMix mix,
                       Load(absl::StrCat("{\"text\": \"", text, "\"}\n")));
  std::multiset<int32_t> expected;
  for (const int32_t id : tokenizer_->Encode(text)) expected.insert(id);
  ASSERT_GT(mix.num_sequences(), 1u);
  // Enough draws to see every sequence.
  std::set<const std::vector<int32_t>*> seen;
  std::multiset<int32_t> ids;
  for (const PromptResponse& sequence : mix.Draw(1, 1000)) {
    EXPECT_LE(sequence.prompt_ids->size() + sequence.response_ids->size(), 8u);
    if (!seen.insert(sequence.prompt_ids).second) continue;
    ids.insert(sequence.prompt_ids->begin(), sequence.prompt_ids->end());
    ids.insert(sequence.response_ids->begin(), sequence.response_ids->end());
  }
  EXPECT_EQ(seen.size(), mix.num_sequences());
  // All but a last token that would stand alone.
  EXPECT_GE(ids.size() + 1, expected.size());
  EXPECT_TRUE(
      std::includes(expected.begin(), expected.end(), ids.begin(), ids.end()));
}

TEST_F(PretrainingMixTest, DrawsFollowFromTheKey) {
  ASSERT_OK_AND_ASSIGN(
      const PretrainingMix mix,
      Load("{\"text\": \"one two\"}\n\n{\"text\": \"three four\"}\n"
           "{\"text\": \"five six\"}\n{\"text\": \"seven eight\"}\n"));
  const auto draw = [&](uint64_t key) {
    std::vector<const void*> texts;
    for (const PromptResponse& p : mix.Draw(key, 20)) {
      texts.push_back(p.prompt_ids);
    }
    return texts;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

TEST_F(PretrainingMixTest, RefusesALineWithoutTextByItsNumber) {
  EXPECT_THAT(
      Load("{\"text\": \"good words\"}\n{\"txt\": \"x\"}\n"),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("text.jsonl:2: ")));
  EXPECT_THAT(Load("{\n"), StatusIs(StatusCode::kInvalidArgument,
                                    HasSubstr("text.jsonl:1: ")));
  EXPECT_THAT(Load(""), StatusIs(StatusCode::kInvalidArgument,
                                 HasSubstr("no text of two tokens")));
  EXPECT_THAT(PretrainingMix::Load(dir_ / "absent", *tokenizer_, 8),
              StatusIs(StatusCode::kNotFound, HasSubstr("absent")));
}

}  // namespace
}  // namespace rlhf
