#include "feedback/workers/habits.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::Comparison MakeComparison(v1::Choice choice, bool swapped) {
  v1::Comparison comparison;
  comparison.set_response_a("long answer");
  comparison.set_response_b("short");
  comparison.set_choice(choice);
  comparison.set_shown_swapped(swapped);
  return comparison;
}

// Worked out from the formula with z = 1.96: 8 of 10 is within
// [0.4902, 0.9433].
TEST(EstimateShareTest, IntervalIsWilsons) {
  const ShareEstimate estimate = EstimateShare(8, 10);
  EXPECT_DOUBLE_EQ(estimate.share, 0.8);
  EXPECT_NEAR(estimate.low, 0.4902, 0.0001);
  EXPECT_NEAR(estimate.high, 0.9433, 0.0001);
  EXPECT_EQ(estimate.count, 10);
}

TEST(EstimateShareTest, NothingCountedSaysNothing) {
  const ShareEstimate estimate = EstimateShare(0, 0);
  EXPECT_EQ(estimate.low, 0);
  EXPECT_EQ(estimate.high, 1);
}

TEST(HabitsTest, LeftIsTheSideOnScreen) {
  EXPECT_EQ(PickedLeft(MakeComparison(v1::A_BETTER, false)), true);
  EXPECT_EQ(PickedLeft(MakeComparison(v1::A_BETTER, true)), false);
  EXPECT_EQ(PickedLeft(MakeComparison(v1::B_BETTER, true)), true);
  EXPECT_EQ(PickedLeft(MakeComparison(v1::TIE, true)), std::nullopt);
  v1::Comparison red_team = MakeComparison(v1::A_BETTER, false);
  red_team.set_task_kind(v1::RED_TEAM);
  EXPECT_EQ(PickedLeft(red_team), false) << "B, on the right, was the worse";
}

TEST(HabitsTest, CountsSidesAndLengthsThatDiffer) {
  Habits habits;
  habits.Add(MakeComparison(v1::A_BETTER, false));
  habits.Add(MakeComparison(v1::B_BETTER, true));
  habits.Add(MakeComparison(v1::SKIPPED, true));
  v1::Comparison equal = MakeComparison(v1::A_BETTER, false);
  equal.set_response_b(equal.response_a());
  habits.Add(equal);
  EXPECT_EQ(habits.left().count, 3);
  EXPECT_EQ(habits.left().share, 1);
  EXPECT_EQ(habits.longer().count, 2);
  EXPECT_EQ(habits.longer().share, 0.5);
}

}  // namespace
}  // namespace rlhf
