#include "crowd/gold_rule.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(GoldRuleTest, AFinishedAnswerBeatsOneThatIsCutOff) {
  EXPECT_EQ(GoldScore("Boil the eggs for eight minutes."), 2);
  EXPECT_EQ(GoldScore("Boil the eggs for eight minutes and then"), 0);
}

TEST(GoldRuleTest, AClosingQuoteOrBracketMayFollowTheEnd) {
  EXPECT_EQ(GoldScore("(Open the window at night.)"), 2);
  EXPECT_EQ(GoldScore("She said \"open the window!\"  \n"), 2);
  EXPECT_EQ(GoldScore("Is the window open?"), 2);
}

TEST(GoldRuleTest, SpeakingToTheReaderAddsHalfAPoint) {
  EXPECT_EQ(GoldScore("YOU'RE free to open it."), 2.5);
  EXPECT_EQ(GoldScore("Take your coat with you, and your hat."), 2.5);
  EXPECT_EQ(GoldScore("The young are free to go."), 2);
}

TEST(GoldRuleTest, FewerThanFourWordsAreHardlyAnAnswer) {
  EXPECT_EQ(GoldScore("Yes."), 1);
  EXPECT_EQ(GoldScore("Open the window."), 1);
  EXPECT_EQ(GoldScore("Open the window now."), 2);
}

TEST(GoldRuleTest, NothingToReadIsNoUse) {
  for (const char* text : {"", " \n", "1. 2. 3.", "..."}) {
    EXPECT_EQ(GoldScore(text), 0) << text;
  }
}

}  // namespace
}  // namespace rlhf
