#include "core/text/unicode_tables.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(UnicodeTablesTest, WhiteSpaceIsThePropertyOfThatName) {
  // The 25 characters of PropList.txt, as ranges, and those beside them.
  for (const int32_t c : {0x9, 0xA, 0xD, 0x20, 0x85, 0xA0, 0x1680, 0x2000,
                          0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}) {
    EXPECT_TRUE(IsWhiteSpace(c)) << std::hex << c;
  }
  for (const int32_t c : {-1, 0x0, 0x8, 0xE, 0x1F, 0x21, 0x84, 0x86, 0x180E,
                          0x1FFF, 0x200B, 0x2027, 0x202A, 0x2060, 0xFEFF}) {
    EXPECT_FALSE(IsWhiteSpace(c)) << std::hex << c;
  }
}

TEST(UnicodeTablesTest, WordCharactersAreThoseOfARegexW) {
  // Letters of every kind, a mark, digits, letters used as numbers, a
  // connector, a joiner, a circled letter.
  for (const int32_t c : {0x41, 0x7A, 0xE9, 0x1C5, 0x2B0, 0x4E2D, 0x301, 0x39,
                          0x663, 0x2167, 0x5F, 0x203F, 0x200D, 0x24B6}) {
    EXPECT_TRUE(IsWordCharacter(c)) << std::hex << c;
  }
  // Space, punctuation, other numbers (a half), a sign, an emoji, unassigned.
  for (const int32_t c : {-1, 0x20, 0x2D, 0x27, 0xBD, 0x20AC, 0x1F642, 0x378}) {
    EXPECT_FALSE(IsWordCharacter(c)) << std::hex << c;
  }
}

TEST(UnicodeTablesTest, AWholeCategoryHoldsItsParts) {
  const std::string letters = NewCharacters("L"), numbers = NewCharacters("N");
  for (const char* part : {"Lu", "Ll", "Lm", "Lo"}) {
    EXPECT_THAT(letters, HasSubstr(NewCharacters(part)));
    EXPECT_THAT(numbers, Not(HasSubstr(NewCharacters(part))));
  }
  for (const char* part : {"Nd", "No"}) {
    EXPECT_THAT(numbers, HasSubstr(NewCharacters(part)));
  }
  EXPECT_EQ(NewCharacters("Zs"), "");
}

TEST(UnicodeTablesTest, NewCharactersStandInTheirCategory) {
  // UnicodeData.txt 16: U+1C89 CYRILLIC CAPITAL LETTER TJE, U+1C8A its small
  // form, U+1E4F0 NAG MUNDARI DIGIT ZERO, U+10D40 GARAY DIGIT ZERO.
  EXPECT_THAT(NewCharacters("Lu"), HasSubstr("\\x{1c89}"));
  EXPECT_THAT(NewCharacters("Ll"), HasSubstr("\\x{1c8a}"));
  EXPECT_THAT(NewCharacters("Nd"), HasSubstr("\\x{1e4f0}-"));
  EXPECT_THAT(NewCharacters("Nd"), HasSubstr("\\x{10d40}-"));
}

TEST(UnicodeTablesTest, InertAreTheMarksSinceUnicode11) {
  // First and last of a range and what is beside it; the last of all.
  for (const int32_t c : {0x7FD, 0x898, 0x89F, 0x8D3, 0x1E4EC, 0x1E4EF}) {
    EXPECT_TRUE(IsInertForNfc(c)) << std::hex << c;
  }
  for (const int32_t c : {-1, 0x0, 0x41, 0x301, 0x7FC, 0x7FE, 0x897, 0x8A0,
                          0x8D4, 0x1E4EB, 0x1E4F0, 0x10FFFF}) {
    EXPECT_FALSE(IsInertForNfc(c)) << std::hex << c;
  }
}

}  // namespace
}  // namespace rlhf
