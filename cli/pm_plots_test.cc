#include "cli/pm_plots.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
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

TEST(SqrtKlPlotTest, AnUpdateThatIsNoNumberLeavesTheLineOfTheOthers) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const Plot plot =
      SqrtKlPlot({Update(1, 1, 0, 1), Update(2, 1, kNaN, 9), Update(3, 1, 1, 3),
                  Update(4, 1, 2, kNaN), Update(5, 1, 4, 5)});
  ASSERT_THAT(plot.series, SizeIs(2));
  ASSERT_THAT(plot.series[0].points, SizeIs(2));
  EXPECT_NEAR(plot.series[0].points[1].y, 5, 1e-9);
  EXPECT_THAT(plot.series[1].points, SizeIs(3));
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

Json Share(double share, int compared) {
  return {{"share", share},
          {"share_95", {share - 0.1, share + 0.1}},
          {"compared", compared}};
}

TEST(AgreementPlotTest, ShowsPeopleThePmAndThePaper) {
  const Json card = {{"agreement",
                      {{"among_workers", Share(0.7, 30)},
                       {"pm_on_shared_pairs", Share(0.65, 40)},
                       {"pm_with_workers", Share(0.68, 90)},
                       {"paper_researcher_crowdworker", 0.63},
                       {"workers",
                        {{{"worker", "w-1"}, {"with_pm", Share(0.6, 50)}},
                         {{"worker", "w-2"}, {"with_pm", Share(0, 0)}}}}}}};
  const Plot plot = AgreementPlot("Agreement", card);
  EXPECT_THAT(plot.y_categories,
              ElementsAre("workers on the same pairs", "PM and them on these",
                          "PM and all workers", "PM and w-1"));
  EXPECT_EQ(plot.series[0].points[3].x, 0.6);
  ASSERT_THAT(plot.marks, SizeIs(1));
  EXPECT_EQ(plot.marks[0].x, 0.63);
  EXPECT_THAT(RenderSvg(AgreementPlot("old card", Json::object())),
              HasSubstr("no data"));
}

TEST(SlicePlotTest, ShowsTheWholeAndEverySlice) {
  const Json accuracy = {
      {"num_pairs", 10}, {"accuracy", 0.7}, {"accuracy_95", {0.4, 0.9}}};
  Json card = accuracy;
  card["slices"] = {{"task", {{"red-team", accuracy}}},
                    {"worker_group", {{"experts", accuracy}}}};
  const Plot plot = SlicePlot("Slices", card);
  EXPECT_THAT(plot.y_categories,
              ElementsAre("all", "task red-team", "worker_group experts"));
  EXPECT_EQ(plot.series[0].points[2].high, 0.9);
}

Json TwoTranches() {
  return {{"scores",
           {{"edges", {0, 1, 2}},
            {"tranches",
             {{{"tranche", "base"},
               {"num_pairs", 2},
               {"counts", {3, 1}},
               {"above_first", {{"elo", 0}}},
               {"above_first_low", {{"elo", 0}}},
               {"above_first_high", {{"elo", 0}}}},
              {{"tranche", "online v1"},
               {"num_pairs", 1},
               {"counts", {0, 2}},
               {"above_first", {{"elo", 100}}},
               {"above_first_low", nullptr},
               {"above_first_high", nullptr}}}}}}};
}

TEST(ScorePlotTest, EveryTrancheHasAHistogramOfShares) {
  const Plot plot = ScorePlot("Scores", TwoTranches());
  ASSERT_THAT(plot.series, SizeIs(2));
  EXPECT_EQ(plot.series[0].points[0].x, 0.5);
  EXPECT_EQ(plot.series[0].points[0].y, 0.75);
  EXPECT_EQ(plot.series[1].name, "online v1");
  EXPECT_EQ(plot.series[1].points[1].y, 1);
}

TEST(TranchePlotTest, ReadsEloAndWinRate) {
  const Plot plot = TranchePlot("Tranches", TwoTranches());
  EXPECT_THAT(plot.x_categories, ElementsAre("base", "online v1"));
  EXPECT_EQ(plot.series[0].points[1].y, 100);
  ASSERT_FALSE(plot.right_ticks.empty());
  EXPECT_EQ(plot.right_ticks[0].label, "50 %");
  EXPECT_THAT(RenderSvg(plot), HasSubstr("online v1"));
}

}  // namespace
}  // namespace rlhf
