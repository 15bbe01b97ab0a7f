#include "core/config/nearest_word.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

const std::vector<std::string> kVerbs = {"learner", "actor", "up", "feedback"};

TEST(NearestWordTest, FindsOneWrongMissingOrAddedLetter) {
  EXPECT_EQ(NearestWord("lerner", kVerbs), "learner");
  EXPECT_EQ(NearestWord("learners", kVerbs), "learner");
  EXPECT_EQ(NearestWord("sctor", kVerbs), "actor");
}

TEST(NearestWordTest, CountsASwapAsOneMistake) {
  EXPECT_EQ(NearestWord("modle", {"model"}), "model");
  EXPECT_EQ(NearestWord("pu", kVerbs), "up");
}

TEST(NearestWordTest, AllowsAThirdOfTheLettersToBeWrong) {
  // 7 letters, 2 mistakes: an "e" is missing, "ck" is swapped.
  EXPECT_EQ(NearestWord("fedbakc", kVerbs), "feedback");
  // 6 letters, 3 mistakes: both "e" are missing.
  EXPECT_EQ(NearestWord("fdbakc", kVerbs), "");
}

TEST(NearestWordTest, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(NearestWord("quickstart", kVerbs), "");
  EXPECT_EQ(NearestWord("", kVerbs), "");
  EXPECT_EQ(NearestWord("learner", {}), "");
}

TEST(NearestWordTest, PrefersTheNearest) {
  EXPECT_EQ(NearestWord("max_tokens_", {"max_token", "max_tokens"}),
            "max_tokens");
}

}  // namespace
}  // namespace rlhf
