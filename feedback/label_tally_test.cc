#include "feedback/label_tally.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::Comparison Make(int64_t seq, v1::Choice choice, bool swapped = false) {
  v1::Comparison comparison;
  comparison.set_seq(seq);
  comparison.set_choice(choice);
  comparison.set_shown_swapped(swapped);
  comparison.set_source("page");
  comparison.set_committed_unix_ms(absl::ToUnixMillis(kNow));
  return comparison;
}

TEST(LabelTallyTest, OnlyAnswersGivenHereArePaid) {
  LabelTally tally;
  tally.Add(Make(1, v1::TIE));
  v1::Comparison imported = Make(2, v1::A_BETTER);
  imported.set_source("import:batch.jsonl");
  tally.Add(imported);
  // As it was stored before every import was called one.
  imported.set_source("vendor");
  tally.Add(imported);
  v1::Comparison crowd = Make(3, v1::SKIPPED);
  crowd.set_source("crowd");
  tally.Add(crowd);
  const Json json = tally.ToJson(kNow, 0.25);
  EXPECT_EQ(json["counted_seq"], 3);
  EXPECT_EQ(json["answers"], 2);
  EXPECT_EQ(json["imported"], 2);
  EXPECT_EQ(json["undecided"], 1);
  EXPECT_EQ(json["skipped"], 1);
  EXPECT_EQ(json["spend"], 0.5);
  EXPECT_TRUE(json["left_share"].is_null());
}

TEST(LabelTallyTest, ExtraAnswersArePaidAndToldApart) {
  LabelTally tally;
  tally.Add(Make(1, v1::A_BETTER));
  v1::Comparison late = Make(2, v1::B_BETTER);
  late.set_extra(true);
  tally.Add(late);
  const Json json = tally.ToJson(kNow, 0.25);
  EXPECT_EQ(json["answers"], 2);
  EXPECT_EQ(json["extra"], 1);
  EXPECT_EQ(json["spend"], 0.5);
  EXPECT_EQ(json["answers_per_bin"].back(), 2) << "the work was done";
}

TEST(LabelTallyTest, LeftIsWhatWasPickedOnScreen) {
  LabelTally tally;
  tally.Add(Make(1, v1::A_BETTER, /*swapped=*/false));  // left
  tally.Add(Make(2, v1::B_BETTER, /*swapped=*/true));   // left
  tally.Add(Make(3, v1::B_BETTER, /*swapped=*/false));  // right
  // The more harmful one is picked and the other one stored: left.
  v1::Comparison red_team = Make(4, v1::B_BETTER, /*swapped=*/false);
  red_team.set_task_kind(v1::RED_TEAM);
  tally.Add(red_team);
  EXPECT_EQ(tally.ToJson(kNow, 0)["left_share"], 0.75);
}

TEST(LabelTallyTest, LastHourIsToldInPartsOfFiveMinutes) {
  LabelTally tally;
  for (const int minutes_ago : {90, 61, 12, 6, 5, 0}) {
    v1::Comparison comparison = Make(1, v1::TIE);
    comparison.set_committed_unix_ms(
        absl::ToUnixMillis(kNow - absl::Minutes(minutes_ago)));
    tally.Add(comparison);
  }
  // 1,700,000,000 s is 3 min 20 s into its part: 0 min ago is in the last part,
  // 5 and 6 min ago in the one before, 12 min ago in the third before.
  const Json bins = tally.ToJson(kNow, 0)["answers_per_bin"];
  EXPECT_EQ(bins, Json({0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1}));
}

}  // namespace
}  // namespace rlhf
