// Expected: GPT-2's pattern, applied by hand:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#include "core/text/pre_tokenizer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kGpt2[] = R"({"type":"ByteLevel","add_prefix_space":false})";

std::vector<std::string> Split(const std::string& json,
                               absl::string_view text) {
  const auto pre_tokenizer = PreTokenizer::Create(*ParseJson(json));
  EXPECT_OK(pre_tokenizer);
  std::string storage;
  std::vector<absl::string_view> words;
  (*pre_tokenizer)->Split(text, storage, words);
  return {words.begin(), words.end()};
}

std::vector<std::string> Gpt2(absl::string_view text) {
  return Split(kGpt2, text);
}

// A Split step with this pattern, then bytes without GPT-2's pattern.
std::string SplitAt(const std::string& regex) {
  const Json step = {{"type", "Split"},
                     {"pattern", {{"Regex", regex}}},
                     {"behavior", "Isolated"},
                     {"invert", false}};
  const Json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  return Json{{"type", "Sequence"},
              {"pretokenizers", Json::array({step, bytes})}}
      .dump();
}

TEST(PreTokenizerTest, AWordTakesTheSpaceBeforeIt) {
  EXPECT_THAT(Gpt2("See the sea."), ElementsAre("See", " the", " sea", "."));
  EXPECT_THAT(Gpt2(" a"), ElementsAre(" a"));
  EXPECT_THAT(Gpt2("  a"), ElementsAre(" ", " a"));
  EXPECT_THAT(Gpt2("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(Gpt2(""), IsEmpty());
}

TEST(PreTokenizerTest, ContractionsAreWords) {
  EXPECT_THAT(Gpt2("I'll say we've"),
              ElementsAre("I", "'ll", " say", " we", "'ve"));
  EXPECT_THAT(Gpt2("it's can't I'm you're he'd"),
              ElementsAre("it", "'s", " can", "'t", " I", "'m", " you", "'re",
                          " he", "'d"));
  // Only small letters, and before any longer word.
  EXPECT_THAT(Gpt2("I'LL"), ElementsAre("I", "'", "LL"));
  EXPECT_THAT(Gpt2("'same"), ElementsAre("'s", "ame"));
  EXPECT_THAT(Gpt2(" 'same"), ElementsAre(" '", "same"));
}

TEST(PreTokenizerTest, LettersDigitsAndOtherSignsAreApart) {
  EXPECT_THAT(Gpt2("x12y 34"), ElementsAre("x", "12", "y", " 34"));
  EXPECT_THAT(Gpt2("Hi!!! (x)=-1"),
              ElementsAre("Hi", "!!!", " (", "x", ")=-", "1"));
}

TEST(PreTokenizerTest, TheLastOfManySpacesBelongsToTheNextWord) {
  EXPECT_THAT(Gpt2("a   "), ElementsAre("a", "   "));
  EXPECT_THAT(Gpt2("a \n b"), ElementsAre("a", " \n", " b"));
  // A line break is no part of a word, so the last one stands alone.
  EXPECT_THAT(Gpt2("a\n\n\nb"), ElementsAre("a", "\n\n", "\n", "b"));
  EXPECT_THAT(Gpt2("a\t\tb"), ElementsAre("a", "\t", "\t", "b"));
}

TEST(PreTokenizerTest, CategoriesAreUnicodes) {
  EXPECT_THAT(Gpt2("na\u00EFve \u00DCn\u00EF"),
              ElementsAre("na\u00EFve", " \u00DCn\u00EF"));
  EXPECT_THAT(Gpt2("\u65E5\u672C\u8A9E123"),
              ElementsAre("\u65E5\u672C\u8A9E", "123"));
  // A half, a Roman eight and an Arabic three are numbers; so is a raised two.
  EXPECT_THAT(Gpt2("\u00BD\u2167\u0663"), ElementsAre("\u00BD\u2167\u0663"));
  EXPECT_THAT(Gpt2("x\u00B2"), ElementsAre("x", "\u00B2"));
  // A combining mark is neither letter nor number.
  EXPECT_THAT(Gpt2("e\u0301t"), ElementsAre("e", "\u0301", "t"));
  // A letter of Unicode 16, which PCRE2 10.42 does not know by itself.
  EXPECT_THAT(Gpt2("a\u1C89b"), ElementsAre("a\u1C89b"));
}

TEST(PreTokenizerTest, OnlyASpaceJoinsAWordAndOnlyWhiteSpaceParts) {
  EXPECT_THAT(Gpt2("a\u00A0b"), ElementsAre("a", "\u00A0", "b"));
  EXPECT_THAT(Gpt2("a\u3000\u3000b"),
              ElementsAre("a", "\u3000", "\u3000", "b"));
  // A zero-width space and a Mongolian vowel separator are none.
  EXPECT_THAT(Gpt2("a \u200B b"), ElementsAre("a", " \u200B", " b"));
  EXPECT_THAT(Gpt2("a \u180E b"), ElementsAre("a", " \u180E", " b"));
}

TEST(PreTokenizerTest, APrefixSpaceIsAddedWhereThereIsNone) {
  constexpr char kPrefix[] = R"({"type":"ByteLevel","add_prefix_space":true})";
  EXPECT_THAT(Split(kPrefix, "a b"), ElementsAre(" a", " b"));
  EXPECT_THAT(Split(kPrefix, " a"), ElementsAre(" a"));
}

TEST(PreTokenizerTest, DigitsStandAloneOrTogether) {
  const auto digits = [](bool individual) {
    return Json{
        {"type", "Sequence"},
        {"pretokenizers",
         Json::array({{{"type", "Digits"}, {"individual_digits", individual}},
                      *ParseJson(kGpt2)})}}
        .dump();
  };
  // The space before the digits was cut off from them by the first step.
  EXPECT_THAT(Split(digits(true), "a 123"),
              ElementsAre("a", " ", "1", "2", "3"));
  EXPECT_THAT(Split(digits(false), "a 123"), ElementsAre("a", " ", "123"));
}

TEST(PreTokenizerTest, SplitKeepsWhatItMatchesAndWhatItDoesNot) {
  const std::string triples = SplitAt("\\p{N}{1,3}");
  EXPECT_THAT(Split(triples, "12345ab6"), ElementsAre("123", "45", "ab", "6"));
  // An empty match is no cut.
  EXPECT_THAT(Split(SplitAt("x*"), "axxb"), ElementsAre("a", "xx", "b"));
  EXPECT_THAT(Split(SplitAt("\\S+"), "a \u00E9b"),
              ElementsAre("a", " ", "\u00E9b"));
}

absl::Status Create(const std::string& json) {
  return PreTokenizer::Create(*ParseJson(json)).status();
}

TEST(PreTokenizerTest, RefusesPatternsThatOthersReadDifferently) {
  for (const char* regex : {"\\d+", "\\w+", "a$", "^a", "a.b", "[a&&b]",
                            "[^\\S]", "a{2}+", "\\p{Greek}"}) {
    EXPECT_THAT(Create(SplitAt(regex)),
                StatusIs(StatusCode::kUnimplemented,
                         AllOf(HasSubstr(regex),
                               HasSubstr("may mean something else"))));
  }
  EXPECT_THAT(Create(SplitAt("(a")),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("missing closing parenthesis")));
}

TEST(PreTokenizerTest, RefusesStepsThatItDoesNotKnow) {
  const auto refused = [](const std::string& json, const char* message) {
    EXPECT_THAT(Create(json),
                StatusIs(StatusCode::kUnimplemented, HasSubstr(message)));
  };
  refused("null", "does not end with ByteLevel");
  refused(R"({"type":"Digits"})", "does not end with ByteLevel");
  refused(R"({"type":"Whitespace"})", "\"Whitespace\" is not known; known are");
  refused(R"({"type":"Split","behavior":"Removed",
              "pattern":{"Regex":"a"}})",
          "behavior \"Isolated\"");
  refused(R"({"type":"Split","behavior":"Isolated",
              "pattern":{"String":"a"}})",
          "with a Regex pattern");
  const std::string bytes = R"({"type":"ByteLevel"})";
  refused(
      R"({"type":"Sequence","pretokenizers":[)" + bytes + "," + bytes + "]}",
      "\"ByteLevel\" after ByteLevel");
  refused(R"({"type":"Sequence","pretokenizers":[{"type":"Digits"},)" + bytes +
              "]}",
          "add_prefix_space after another step");
}

TEST(PreTokenizerTest, RefusesMalformedSteps) {
  const auto refused = [](const std::string& json, const char* message) {
    EXPECT_THAT(Create(json),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  refused("{}", "\"type\" is missing");
  refused(R"({"type":"Digits","individual_digits":1})",
          "\"individual_digits\" is neither true nor false");
  refused(R"({"type":"Sequence","pretokenizers":7})",
          "\"pretokenizers\" is not a list");
}

}  // namespace
}  // namespace rlhf
