// Expected: Unicode Standard Annex 15 and UnicodeData.txt.
#include "core/text/nfc.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(ToNfcTest, ComposesALetterAndItsMark) {
  EXPECT_EQ(ToNfc("e\u0301"), "\u00E9");  // é
  EXPECT_EQ(ToNfc("cafe\u0301s"), "caf\u00E9s");
  // Two marks, one after the other: circumflex, then acute.
  EXPECT_EQ(ToNfc("a\u0302\u0301"), "\u1EA5");
}

TEST(ToNfcTest, LeavesComposedTextAsItIs) {
  for (const char* text :
       {"", "plain ASCII\n", "caf\u00E9", "\uD55C\uAD6D\uC5B4", "\u65E5\u672C",
        "\U0001F642"}) {
    EXPECT_EQ(ToNfc(text), text);
  }
}

TEST(ToNfcTest, LeavesCompatibilityCharactersAlone) {
  // A ligature, a half, a full-width A, a superscript: NFKC would change them.
  const char* text = "\uFB01\u00BD\uFF21\u00B2";
  EXPECT_EQ(ToNfc(text), text);
}

TEST(ToNfcTest, ComposesHangul) {
  // 0xAC00 + (18 * 21 + 0) * 28 + 4 = 0xD55C: the 19th leading consonant, the
  // first vowel, the fourth trailing consonant.
  EXPECT_EQ(ToNfc("\u1112\u1161\u11AB"), "\uD55C");
  EXPECT_EQ(ToNfc("\u1112\u1161"), "\uD558");
  EXPECT_EQ(ToNfc("\uD558\u11AB"), "\uD55C");
  // Nothing follows a syllable that is complete.
  EXPECT_EQ(ToNfc("\uD55C\u11AB"), "\uD55C\u11AB");
}

TEST(ToNfcTest, OrdersMarksByTheirClass) {
  // Dot below (220) goes before acute (230), and composes with the a.
  EXPECT_EQ(ToNfc("a\u0301\u0323"), "\u1EA1\u0301");
}

TEST(ToNfcTest, ReplacesSingletonsAndHonoursExclusions) {
  EXPECT_EQ(ToNfc("\u212B"), "\u00C5");        // Ångström sign
  EXPECT_EQ(ToNfc("\u212A"), "K");             // Kelvin sign
  EXPECT_EQ(ToNfc("\u0958"), "\u0915\u093C");  // excluded from composition
}

// U+1E4EC has class 232 since Unicode 15, so the acute would move before it and
// compose. The tables of Hugging Face's tokenizers do not have it.
TEST(ToNfcTest, MarksThatTheReferenceDoesNotKnowStandStill) {
  EXPECT_EQ(ToNfc("e\U0001E4EC\u0301"), "e\U0001E4EC\u0301");
  EXPECT_EQ(ToNfc("e\u0301\U0001E4EC"), "\u00E9\U0001E4EC");
}

}  // namespace
}  // namespace rlhf
