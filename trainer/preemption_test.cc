#include "trainer/preemption.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

const absl::Time kAsked = absl::FromUnixSeconds(1000);

// Asked to stop 2 s into an update, with 25 s to live and a save of 2 s.
PreemptionView View() {
  return {.now = kAsked,
          .asked = kAsked,
          .grace = absl::Seconds(25),
          .update_started = kAsked - absl::Seconds(2),
          .expected_update = absl::Seconds(10),
          .expected_save = absl::Seconds(2)};
}

TEST(ShouldGiveUpTest, NeverWithoutBeingAsked) {
  PreemptionView view = View();
  view.asked = absl::InfiniteFuture();
  view.now = kAsked + absl::Hours(100);
  EXPECT_FALSE(ShouldGiveUp(view));
}

TEST(ShouldGiveUpTest, AnUpdateThatEndsInTimeIsFinished) {
  EXPECT_FALSE(ShouldGiveUp(View()));
}

TEST(ShouldGiveUpTest, OneThatWouldNotIsGivenUpAtOnce) {
  PreemptionView view = View();
  view.expected_update = absl::Seconds(60);
  EXPECT_TRUE(ShouldGiveUp(view));
  // The save counts: 2 + 22 s would do without it, not with it.
  view.expected_update = absl::Seconds(24);
  EXPECT_TRUE(ShouldGiveUp(view));
}

TEST(ShouldGiveUpTest, OneOfUnknownLengthHasUntilTheSaveMustBegin) {
  PreemptionView view = View();
  view.expected_update = absl::ZeroDuration();
  view.now = kAsked + absl::Seconds(20);
  EXPECT_FALSE(ShouldGiveUp(view));
  view.now = kAsked + absl::Seconds(21);
  EXPECT_TRUE(ShouldGiveUp(view));
}

TEST(ShouldGiveUpTest, ASaveThatNeedsAllTheTimeLeavesHalfOfIt) {
  PreemptionView view = View();
  view.expected_save = absl::Hours(1);
  EXPECT_FALSE(ShouldGiveUp(view));
  view.now = kAsked + absl::Seconds(12.6);
  EXPECT_TRUE(ShouldGiveUp(view));
}

}  // namespace
}  // namespace rlhf
