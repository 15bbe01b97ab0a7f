#include "core/text/added_tokens.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr int32_t kText = -1;

std::vector<std::pair<std::string, int32_t>> Cut(std::vector<AddedToken> tokens,
                                                 absl::string_view text) {
  const AddedTokens added(std::move(tokens));
  std::vector<std::pair<std::string, int32_t>> pieces;
  for (const AddedTokens::Piece& piece : added.Cut(text)) {
    pieces.emplace_back(piece.text, piece.id);
  }
  return pieces;
}

TEST(AddedTokensTest, ASpecialTokenInsideTextIsCutOut) {
  const std::vector<AddedToken> tokens = {{.content = "<|im_end|>", .id = 2}};
  EXPECT_THAT(Cut(tokens, "tea<|im_end|>time"),
              ElementsAre(Pair("tea", kText), Pair("<|im_end|>", 2),
                          Pair("time", kText)));
  EXPECT_THAT(Cut(tokens, "<|im_end|><|im_end|>"),
              ElementsAre(Pair("<|im_end|>", 2), Pair("<|im_end|>", 2)));
  EXPECT_THAT(Cut(tokens, "<|im_en<|im_"),
              ElementsAre(Pair("<|im_en<|im_", kText)));
  EXPECT_THAT(Cut(tokens, ""), IsEmpty());
}

TEST(AddedTokensTest, WithoutTokensTheTextIsOnePiece) {
  EXPECT_THAT(Cut({}, "tea"), ElementsAre(Pair("tea", kText)));
}

TEST(AddedTokensTest, OfTokensAtOnePlaceTheLongestCounts) {
  const std::vector<AddedToken> tokens = {{.content = "<a>", .id = 1},
                                          {.content = "<a><b>", .id = 2},
                                          {.content = "<b><c>", .id = 3}};
  EXPECT_THAT(Cut(tokens, "<a><b><a>"),
              ElementsAre(Pair("<a><b>", 2), Pair("<a>", 1)));
  // The first place goes before the longest token.
  EXPECT_THAT(Cut(tokens, "<a><b><c>"),
              ElementsAre(Pair("<a><b>", 2), Pair("<c>", kText)));
}

TEST(AddedTokensTest, SpaceIsTakenAlongWhereTheTokenSaysSo) {
  const AddedToken left = {.content = "<l>", .id = 1, .strip_left = true};
  const AddedToken right = {.content = "<r>", .id = 2, .strip_right = true};
  EXPECT_THAT(
      Cut({left}, "a \n<l> b"),
      ElementsAre(Pair("a", kText), Pair(" \n<l>", 1), Pair(" b", kText)));
  EXPECT_THAT(
      Cut({right}, "a <r>\t b"),
      ElementsAre(Pair("a ", kText), Pair("<r>\t ", 2), Pair("b", kText)));
  // White space is Unicode's: an ideographic space is taken, a zero-width one
  // is not.
  EXPECT_THAT(Cut({left}, "a\u3000<l>"),
              ElementsAre(Pair("a", kText), Pair("\u3000<l>", 1)));
  EXPECT_THAT(Cut({left}, "a\u200B<l>"),
              ElementsAre(Pair("a\u200B", kText), Pair("<l>", 1)));
  // Of the space between two of them each takes what is still there.
  EXPECT_THAT(Cut({left, right}, "<r>  <l>"),
              ElementsAre(Pair("<r>  ", 2), Pair("<l>", 1)));
}

TEST(AddedTokensTest, ASingleWordStandsAlone) {
  const std::vector<AddedToken> tokens = {
      {.content = "cat", .id = 1, .single_word = true}};
  EXPECT_THAT(Cut(tokens, "cat, a cat."),
              ElementsAre(Pair("cat", 1), Pair(", a ", kText), Pair("cat", 1),
                          Pair(".", kText)));
  // Letters of any script, digits, the low line and marks belong to words.
  for (const char* text : {"catalog", "bobcat", "cat7", "_cat", "\u00E9cat",
                           "cat\u4E2D", "cat\u0301"}) {
    EXPECT_THAT(Cut(tokens, text), ElementsAre(Pair(text, kText)));
  }
}

TEST(AddedTokensTest, TheSearchGoesOnBehindATokenThatIsNoWord) {
  const std::vector<AddedToken> tokens = {
      {.content = "ab", .id = 1, .single_word = true},
      {.content = "bc", .id = 2}};
  EXPECT_THAT(Cut(tokens, "xabc"), ElementsAre(Pair("xabc", kText)));
  EXPECT_THAT(Cut(tokens, "xabbc"),
              ElementsAre(Pair("xab", kText), Pair("bc", 2)));
}

TEST(AddedTokensTest, OfEqualContentsTheSpecialOneCounts) {
  const AddedToken plain = {.content = "<x>", .id = 1};
  const AddedToken special = {.content = "<x>", .id = 2, .special = true};
  EXPECT_THAT(Cut({plain, special}, "<x>"), ElementsAre(Pair("<x>", 2)));
}

}  // namespace
}  // namespace rlhf
