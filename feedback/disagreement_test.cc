#include "feedback/disagreement.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;

v1::MemberScores Scores(std::initializer_list<float> scores) {
  v1::MemberScores member;
  for (const float score : scores) member.add_scores(score);
  return member;
}

// Margins of the two pairs: 1 and 1 with the first member, 1 and -3 with the
// second. The first pair is agreed on; the second deviates by 2.
TEST(MarginSpreadsTest, IsTheDeviationOfTheMembersMargins) {
  EXPECT_THAT(MarginSpreads({Scores({2, 1, 5, 4}), Scores({9, 8, 0, 3})}, 2),
              ElementsAre(0, 2));
}

TEST(MarginSpreadsTest, OneMemberDoesNotDisagree) {
  EXPECT_THAT(MarginSpreads({Scores({2, 1})}, 1), ElementsAre(0));
  EXPECT_THAT(MarginSpreads({}, 2), ElementsAre(0, 0));
}

TEST(LargestPlacesTest, KeepsTheLargestInTheirOrder) {
  EXPECT_THAT(LargestPlaces({1, 5, 2, 5, 4}, 3), ElementsAre(1, 3, 4));
  EXPECT_THAT(LargestPlaces({0, 0, 0}, 2), ElementsAre(0, 1));
  EXPECT_THAT(LargestPlaces({3}, 9), ElementsAre(0));
}

}  // namespace
}  // namespace rlhf
