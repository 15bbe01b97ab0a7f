#include "core/text/tokenizer.h"

#include "core/text/text_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kTiny[] = "tests/fixtures/text/tiny_tokenizer";
constexpr char kReal[] = "models/SmolLM2-135M-Instruct";

void ExpectEqualToReference(const std::string& directory, const char* key) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Tokenizer::Load(SourcePath(directory)));
  for (const Json& line : TextFixture("strings.jsonl")) {
    const auto text = line["text"].get<std::string>();
    EXPECT_EQ(tokenizer->Encode(text), line[key].get<std::vector<int32_t>>())
        << line["text"];
  }
}

TEST(TokenizerTest, TheBytesOfTokensPutTogetherAreTheText) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Tokenizer::Load(SourcePath(kTiny)));
  const std::string text = "Déjà vu, 東京!";
  std::string bytes;
  for (const int32_t id : tokenizer->Encode(text)) {
    bytes += std::string(tokenizer->TextBytes(id));
  }
  EXPECT_EQ(bytes, text);
  EXPECT_EQ(tokenizer->TextBytes(-1), "");
  EXPECT_EQ(tokenizer->TextBytes(tokenizer->vocab_size()), "");
  ASSERT_TRUE(tokenizer->eos_id().has_value());
  EXPECT_EQ(tokenizer->TextBytes(*tokenizer->eos_id()), "");
}

TEST(TokenizerTest, IdsEqualHuggingFaceOnTheTinyVocabulary) {
  ExpectEqualToReference(kTiny, "tiny");
}

TEST(TokenizerTest, IdsEqualHuggingFaceOnTheDefaultModel) {
  if (!FileExists(SourcePath(kReal))) {
    GTEST_SKIP() << kReal << " is absent: `make setup` imports it";
  }
  ExpectEqualToReference(kReal, "smollm2");
}

TEST(TokenizerTest, DecodeIsTheInverseOfEncode) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Tokenizer::Load(SourcePath(kTiny)));
  for (const Json& line : TextFixture("strings.jsonl")) {
    const auto text = line["text"].get<std::string>();
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text), false), text);
  }
}

TEST(TokenizerTest, DecodingLeavesOutSpecialTokensWhenAsked) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Tokenizer::Load(SourcePath(kTiny)));
  const auto ids = tokenizer->Encode("<|im_start|>tea<|im_end|>");
  EXPECT_EQ(tokenizer->Decode(ids, true), "tea");
  EXPECT_EQ(tokenizer->eos_id(), 2);
}

TEST(TokenizerTest, HalfACharacterDecodesToTheReplacementCharacter) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Tokenizer::Load(SourcePath(kTiny)));
  std::vector<int32_t> ids = tokenizer->Encode("é");
  ids.resize(1);
  EXPECT_EQ(tokenizer->Decode(ids, true), "\xEF\xBF\xBD");
}

TEST(TokenizerTest, InvalidUtf8IsReadAsTheReplacementCharacter) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Tokenizer::Load(SourcePath(kTiny)));
  EXPECT_EQ(tokenizer->Encode("a\xFF"
                              "b"),
            tokenizer->Encode("a\uFFFDb"));
}

TEST(TokenizerTest, AMillionEqualLettersAreNoTrouble) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                       Tokenizer::Load(SourcePath(kTiny)));
  const std::string text(1'000'000, 'a');
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text), false), text);
}

class BadTokenizerTest : public testing::Test {
 protected:
  absl::Status Load(const std::string& json) {
    EXPECT_OK(WriteFileAtomically(folder_ / "tokenizer.json", json));
    return Tokenizer::Load(folder_.path()).status();
  }
  // The tiny tokenizer with one member changed.
  absl::Status LoadWith(const char* key, const char* value) {
    Json json = *ParseJson(*ReadFile(SourcePath(kTiny) + "/tokenizer.json"));
    json[key] = *ParseJson(value);
    return Load(json.dump());
  }
  TempDir folder_;
};

TEST_F(BadTokenizerTest, RefusesWhatWouldGiveOtherTokens) {
  using absl::StatusCode;
  EXPECT_THAT(LoadWith("pre_tokenizer", R"({"type":"Metaspace"})"),
              StatusIs(StatusCode::kUnimplemented,
                       AllOf(HasSubstr("tokenizer.json"),
                             HasSubstr("\"Metaspace\" is not known"))));
  EXPECT_THAT(LoadWith("normalizer", R"({"type":"Lowercase"})"),
              StatusIs(StatusCode::kUnimplemented,
                       HasSubstr("normalizer \"Lowercase\"")));
  EXPECT_THAT(LoadWith("model", R"({"type":"Unigram","vocab":[]})"),
              StatusIs(StatusCode::kUnimplemented, HasSubstr("Unigram")));
}

TEST_F(BadTokenizerTest, RefusesMalformedFiles) {
  using absl::StatusCode;
  EXPECT_THAT(Load("{"), StatusIs(StatusCode::kInvalidArgument,
                                  HasSubstr("tokenizer.json")));
  EXPECT_THAT(LoadWith("decoder", "null"),
              StatusIs(StatusCode::kUnimplemented,
                       HasSubstr("the decoder is not ByteLevel")));
  EXPECT_THAT(Load("{}"), StatusIs(StatusCode::kInvalidArgument,
                                   HasSubstr("\"model\" is missing")));
  EXPECT_THAT(LoadWith("pre_tokenizer",
                       R"({"type":"Split","behavior":"Isolated",
                   "pattern":{"Regex":"("}})"),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("missing closing parenthesis")));
}

TEST_F(BadTokenizerTest, AMissingFileIsNotFound) {
  EXPECT_THAT(Tokenizer::Load(folder_ / "absent").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("absent")));
}

}  // namespace
}  // namespace rlhf
