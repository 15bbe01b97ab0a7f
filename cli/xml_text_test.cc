#include "cli/xml_text.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(EscapeXmlTest, MarkupBecomesText) {
  EXPECT_EQ(EscapeXml("<a b=\"c\" d='e'>&amp;</a>"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;&lt;/a&gt;");
}

TEST(EscapeXmlTest, WhatXmlDoesNotAllowIsReplaced) {
  EXPECT_EQ(EscapeXml(absl::string_view("a\0b\x1b[31m\x7f", 9)),
            "a\uFFFDb\uFFFD[31m\x7f");
  EXPECT_EQ(EscapeXml("\uFFFE \uFFFF"), "\uFFFD \uFFFD");
  EXPECT_EQ(EscapeXml("a\tb\nc\r"), "a\tb\nc\r");
}

TEST(EscapeXmlTest, OtherTextStaysAsItIs) {
  EXPECT_EQ(EscapeXml("π ≈ 3, 中文, \U0001F600"), "π ≈ 3, 中文, \U0001F600");
  EXPECT_EQ(EscapeXml(""), "");
}

// A lone first byte, a lone continuation, an overlong '<', a surrogate, one
// beyond U+10FFFF: each byte is replaced, and none of them swallows markup.
TEST(EscapeXmlTest, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(EscapeXml("\xE4<"), "\uFFFD&lt;");
  EXPECT_EQ(EscapeXml("\xE4\xB8"), "\uFFFD\uFFFD");
  EXPECT_EQ(EscapeXml("\x80x"), "\uFFFDx");
  EXPECT_EQ(EscapeXml("\xC0\xBC"), "\uFFFD\uFFFD");
  EXPECT_EQ(EscapeXml("\xE0\x80\xBC"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(EscapeXml("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(EscapeXml("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(EscapeXml("\xFF"), "\uFFFD");
}

TEST(ShortenedTest, CutsBetweenCharacters) {
  EXPECT_EQ(Shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(Shortened("abcdefg", 6), "abcde…");
  EXPECT_EQ(Shortened("äöüßé", 3), "äö…");
  EXPECT_EQ(Shortened("äö", 1), "…");
  EXPECT_EQ(Shortened("", 1), "");
}

TEST(ShortenedTest, BytesThatAreNoUtf8DoNoHarm) {
  EXPECT_EQ(NumCharacters("\x80\x80\x80"), 0);
  EXPECT_EQ(Shortened("\x80\x80\x80", 1), "\x80\x80\x80");
  EXPECT_EQ(Shortened("\xFF\xFF\x80", 1), "…");
}

}  // namespace
}  // namespace rlhf
