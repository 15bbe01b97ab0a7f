#include "cli/pm_plots.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

v1::UpdateReport Update(int64_t number, int64_t pm, double kl, double reward) {
  v1::UpdateReport report;
  report.set_update(number);
  report.mutable_pm()->set_version(pm);
  report.set_kl_k1_nats_per_sequence(kl);
  report.set_reward_anchored_mean(reward);
  v1::MemberReport& test = *report.add_members();
  test.set_member("test");
  test.set_anchored_mean(reward / 2);
  return report;
}

TEST(RewardPlotTest, ShowsMembersApartAndMarksEveryPm) {
  const Plot plot =
      RewardPlot({Update(1, 1, 0, 1), Update(2, 1, 1, 2), Update(3, 2, 4, 3)});
  ASSERT_THAT(plot.series, SizeIs(2));
  EXPECT_EQ(plot.series[0].points[2].y, 3);
  EXPECT_EQ(plot.series[1].name, "test");
  EXPECT_EQ(plot.series[1].points[2].y, 1.5);
  ASSERT_THAT(plot.marks, SizeIs(2));
  EXPECT_EQ(plot.marks[1].x, 3);
  EXPECT_EQ(plot.marks[1].label, "PM v2");
  EXPECT_THAT(RenderSvg(plot), HasSubstr("PM v2"));
}

// Rewards 1 + 2 sqrt(KL): the line goes through all of them. Two updates alone
// have none.
TEST(SqrtKlPlotTest, FitsALineUnderEachPm) {
  const Plot plot =
      SqrtKlPlot({Update(1, 1, 0, 1), Update(2, 1, 1, 3), Update(3, 1, 4, 5),
                  Update(4, 2, 9, 0), Update(5, 2, 16, 1)});
  ASSERT_THAT(plot.series, SizeIs(4));
  const PlotSeries& line = plot.series[0];
  ASSERT_THAT(line.points, SizeIs(2));
  EXPECT_NEAR(line.points[0].y, 1, 1e-9);
  EXPECT_NEAR(line.points[1].x, 2, 1e-9);
  EXPECT_NEAR(line.points[1].y, 5, 1e-9);
  EXPECT_THAT(plot.series[2].points, SizeIs(0));
  EXPECT_THAT(plot.series[3].points, SizeIs(2));
}

TEST(CalibrationPlotTest, LeavesEmptyBinsOut) {
  const Json card = {
      {"calibration",
       {{{"num_pairs", 0}, {"confidence", 0}, {"accuracy", 0}},
        {{"num_pairs", 10}, {"confidence", 0.8}, {"accuracy", 0.7}}}}};
  const Plot plot = CalibrationPlot("PM v1", card);
  ASSERT_THAT(plot.series[0].points, SizeIs(1));
  EXPECT_EQ(plot.series[0].points[0].y, 0.7);
  EXPECT_LT(plot.series[0].points[0].low, 0.5);
  EXPECT_TRUE(plot.series[1].reference);
}

}  // namespace
}  // namespace rlhf
