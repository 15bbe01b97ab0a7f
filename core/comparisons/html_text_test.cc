#include "core/comparisons/html_text.h"

#include <string>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(DecodeEntitiesTest, NamesAndNumbersAreReplaced) {
  EXPECT_EQ(DecodeEntities("&lt;T&gt; &amp; &quot;x&quot; &apos;"),
            "<T> & \"x\" '");
  EXPECT_EQ(DecodeEntities("caf&#233; caf&#xE9; caf&#Xe9;"),
            "caf\u00E9 caf\u00E9 caf\u00E9");
  EXPECT_EQ(DecodeEntities("&#x1F642;&hellip;&#10;"), "\U0001F642\u2026\n");
}

TEST(DecodeEntitiesTest, ReplacementsAreNotDecodedAgain) {
  EXPECT_EQ(DecodeEntities("&amp;lt;"), "&lt;");
}

TEST(DecodeEntitiesTest, WhatIsNoReferenceStays) {
  for (const char* const text :
       {"a & b", "&", "&;", "&bogus;", "&#;", "&#x;", "&#12a;", "&amp", "&&lt",
        "&#99999999999999999999;", "?a=1&b=2"}) {
    EXPECT_EQ(DecodeEntities(text), text);
  }
}

TEST(DecodeEntitiesTest, NumbersThatAreNoCharacterAreReplaced) {
  for (const char* const text :
       {"&#0;", "&#xD800;", "&#xDFFF;", "&#x110000;", "&#9999999999;"}) {
    EXPECT_EQ(DecodeEntities(text), "\uFFFD") << text;
  }
  EXPECT_EQ(DecodeEntities("&#x10FFFF;&#xE000;"), "\U0010FFFF\uE000");
}

TEST(HtmlToTextTest, ParagraphsStandApartAndTagsInThemVanish) {
  EXPECT_EQ(HtmlToText("<p>One <b>two</b>\n  three</p>\n<p>Fo<i>u</i>r</p>\n"),
            "One two three\n\nFour");
  EXPECT_EQ(HtmlToText("<h1>A</h1><div><p>b</p></div><hr>c"), "A\n\nb\n\nc");
}

TEST(HtmlToTextTest, CodeIsKeptAsItIs) {
  EXPECT_EQ(
      HtmlToText("<p>Use <code>a  b</code>:</p>\n<pre><code>if x &lt; 1:\n"
                 "    y  =  2\n\nz\n</code></pre>\n<p>Done</p>"),
      "Use a b:\n\nif x < 1:\n    y  =  2\n\nz\n\nDone");
  EXPECT_EQ(HtmlToText("</pre>a  b<pre>c  d"), "a b\n\nc  d");
}

TEST(HtmlToTextTest, ItemsBeginLines) {
  EXPECT_EQ(HtmlToText("<p>x</p><ul>\n<li>a</li>\n<li><p>b</p></li>\n"
                       "<li></li></ul>y"),
            "x\n\n- a\n\n- b\n\ny");
  EXPECT_EQ(HtmlToText("<ol><li>a<li>b</ol>"), "- a\n- b");
  EXPECT_EQ(HtmlToText("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td>"),
            "a b\nc");
}

TEST(HtmlToTextTest, BreaksEndLines) {
  EXPECT_EQ(HtmlToText("a<br>b <br/><br /> c<BR><br><br>d"), "a\nb\n\nc\n\nd");
}

TEST(HtmlToTextTest, AttributesAndCommentsAreNoText) {
  EXPECT_EQ(HtmlToText("<a href=\"x>y\" title='>'>link</a><!-- <p> > -->!"
                       "<img src=z alt=\"w\"><!DOCTYPE html><?php ?>."),
            "link!.");
  EXPECT_EQ(HtmlToText("it<b title=x'y>'</b>s"), "it's");
}

TEST(HtmlToTextTest, ALessThanThatBeginsNoTagIsText) {
  EXPECT_EQ(HtmlToText("if a < b && c > d, 1<2, <3 </ >"),
            "if a < b && c > d, 1<2, <3 </ >");
}

TEST(HtmlToTextTest, CutOffMarkupLosesNoTextBeforeIt) {
  EXPECT_EQ(HtmlToText("<p>see <a href=\"x"), "see <a href=\"x");
  EXPECT_EQ(HtmlToText("see <!-- x"), "see");
  EXPECT_EQ(HtmlToText("see <"), "see <");
  EXPECT_EQ(HtmlToText(""), "");
}

TEST(HtmlToTextTest, AnyBytesAreRead) {
  EXPECT_EQ(HtmlToText(std::string("a\0<b>\xFF</b>", 10)),
            std::string("a\0\xFF", 3));
}

TEST(HtmlToTextTest, MalformedTextTakesLinearTime) {
  // A minute or more if each "<" or "&" were looked for to the end.
  const int times = 1'000'000;
  EXPECT_EQ(HtmlToText(Repeated("<a ", times)).size(), 3u * times - 1);
  EXPECT_EQ(HtmlToText(Repeated("<a x=\"", times)).size(), 6u * times);
  EXPECT_EQ(HtmlToText(Repeated("&", times)).size(), 1u * times);
  EXPECT_EQ(HtmlToText(Repeated("<!--", times)), "");
  EXPECT_EQ(HtmlToText(Repeated("<pre><li>", times)), "");
}

}  // namespace
}  // namespace rlhf
