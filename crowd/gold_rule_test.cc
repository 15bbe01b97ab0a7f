#include "crowd/gold_rule.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(GoldRuleTest, PlainSpeechToTheListenerIsGood) {
  // Two addresses; words of 3, 3, 4 and 5 letters, 3.75 on average.
  EXPECT_DOUBLE_EQ(GoldScore("You can boil yours."), 1);
}

TEST(GoldRuleTest, AddsItsParts) {
  // One address, two breaks, symbols "1", "2", ":", words of 4, 3 and 3
  // letters.
  EXPECT_DOUBLE_EQ(GoldScore("Your tea:\n1\n2 cup"), 0.5 - 1 - 0.75);
}

TEST(GoldRuleTest, LongWordsCostHalfAPointPerLetterOverFour) {
  // 6 letters on average.
  EXPECT_DOUBLE_EQ(GoldScore("window yellow"), -1);
}

TEST(GoldRuleTest, NoPartWeighsMoreThanTwo) {
  EXPECT_DOUBLE_EQ(GoldScore("you you you you you you you"), 2);
  EXPECT_DOUBLE_EQ(GoldScore("a\n\n\n\n\n\n\n\n"), -2);
  EXPECT_DOUBLE_EQ(GoldScore("a 0123456789 0123456789"), -2);
  EXPECT_DOUBLE_EQ(GoldScore("internationalisation"), -2);
}

TEST(GoldRuleTest, AddressIsAWholeWordInAnyCase) {
  EXPECT_DOUBLE_EQ(GoldScore("YOU'RE in."), 0.5);
  EXPECT_DOUBLE_EQ(GoldScore("The yo yo."), 0);
}

TEST(GoldRuleTest, NothingToReadAloudIsWorst) {
  for (const char* text : {"", " \n", "1. 2. 3.", "..."}) {
    EXPECT_DOUBLE_EQ(GoldScore(text), -8) << text;
  }
}

}  // namespace
}  // namespace rlhf
