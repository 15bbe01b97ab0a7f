#include "core/text/byte_level.h"

#include <set>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr char kReplacement[] = "\uFFFD";

TEST(ByteLevelTest, TheAlphabetIsGpt2s) {
  // Printable Latin-1 as itself; the 68 others in order from U+0100: bytes 0 to
  // 32 are 33, 127 to 160 are 34 and 173 is the last.
  const auto& alphabet = ByteAlphabet();
  EXPECT_EQ(alphabet['a'], "a");
  EXPECT_EQ(alphabet[0xE9], "\u00E9");
  EXPECT_EQ(alphabet[0], "\u0100");
  EXPECT_EQ(alphabet['\n'], "\u010A");
  EXPECT_EQ(alphabet[' '], "\u0120");
  EXPECT_EQ(alphabet[127], "\u0121");
  EXPECT_EQ(alphabet[173], "\u0143");
  EXPECT_EQ(std::set<std::string>(alphabet.begin(), alphabet.end()).size(),
            256);
}

TEST(ByteLevelTest, TokensAreReadBackAsBytes) {
  EXPECT_EQ(BytesOfToken("\u0120tea\u010A"), " tea\n");
  EXPECT_EQ(BytesOfToken("\u00C3\u00A9"), "\u00E9");  // é as two bytes
  EXPECT_EQ(BytesOfToken(""), "");
  EXPECT_EQ(BytesOfToken("a b"), std::nullopt);
  EXPECT_EQ(BytesOfToken("\u65E5"), std::nullopt);
}

// Unicode Standard 16, table 3-8 (maximal subparts), with its examples.
TEST(ByteLevelTest, EachMaximalPartOfACharacterIsReplacedOnce) {
  const std::string r = kReplacement;
  EXPECT_EQ(ReplaceInvalidUtf8("caf\u00E9 \U0001F642"), "caf\u00E9 \U0001F642");
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            r + r + r + r + "A");
}

TEST(CutUtf8Test, NoCharacterIsCut) {
  EXPECT_EQ(CutUtf8("caf\u00E9", 5), "caf\u00E9");
  EXPECT_EQ(CutUtf8("caf\u00E9", 4), "caf");
  EXPECT_EQ(CutUtf8("\U0001F642", 3), "");
  EXPECT_EQ(CutUtf8("", 3), "");
}

}  // namespace
}  // namespace rlhf
