#include "cli/elo_report.h"

#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

void Add(std::vector<EloGame>& games, int64_t a, int64_t b, int a_wins,
         int b_wins) {
  games.insert(games.end(), a_wins,
               {.winner = PolicyName(a), .loser = PolicyName(b)});
  games.insert(games.end(), b_wins,
               {.winner = PolicyName(b), .loser = PolicyName(a)});
}

EloColumn Column(const std::string& judge, const std::vector<EloGame>& games) {
  EloColumn column = {.judge = judge};
  auto fit = FitElo(games, PolicyName(0));
  EXPECT_OK(fit);
  if (fit.ok()) column.fit = *std::move(fit);
  return column;
}

// Versions 0, 4 and 12; the second judge has 12 win always.
EloReport TwoJudges() {
  std::vector<EloGame> people, pm;
  Add(people, 4, 0, 57, 43);
  Add(people, 12, 4, 30, 10);
  Add(pm, 4, 0, 75, 25);
  Add(pm, 12, 4, 40, 0);
  return {.versions = {0, 4, 12},
          .columns = {Column("people", people), Column("PM choices", pm)}};
}

// 57 of 100: 400 / ln 10 * (ln(57/43) +- 1.96 sqrt(1/57 + 1/43)) is 49.0 +-
// 68.8; 75 of 100 is 190.8 +- 78.6. A step of 30 : 10 more is 239.8.
TEST(EloReportTest, TheTableHasARowForEachVersionAndAColumnForEachJudge) {
  EXPECT_THAT(
      ToTable(TwoJudges()),
      AllOf(HasSubstr("Elo above policy v0 [95 % interval]"),
            HasSubstr("model        games   wins  people                win "
                      "rate  PM choices\n"),
            HasSubstr("policy v0      100     43  0                       50.0 "
                      "%  0\n"),
            HasSubstr("policy v4      140     67  +49 [-20, +118]         57.0 "
                      "%  +191 [+112, +269]\n"),
            HasSubstr("policy v12      40     30  +240 ["),
            HasSubstr("  above\n"),
            HasSubstr("\nabove: a chain of wins leads down to policy v0, none "
                      "leads back")));
}

TEST(EloReportTest, ATableWithNothingToExplainEndsWithItsRows) {
  EloReport report = TwoJudges();
  report.columns.pop_back();
  EXPECT_THAT(ToTable(report),
              AllOf(Not(HasSubstr("ignored")), Not(HasSubstr("above:")),
                    Not(HasSubstr("\n\n\n"))));
}

TEST(EloReportTest, TheTableSaysWhatWasIgnoredAndByWhom) {
  EloReport report = TwoJudges();
  report.ignored = {.ties = 7, .one_version = 90};
  report.columns[1].num_unreadable = 2;
  EXPECT_THAT(
      ToTable(report),
      AllOf(HasSubstr("ignored: 7 ties, 90 of one version with itself\n"),
            HasSubstr("ignored by PM choices: 2 that it cannot read"),
            Not(HasSubstr("ignored by people"))));
}

TEST(EloReportTest, JsonHasTheNumbersOfTheRatedOnly) {
  const Json json = ToJson(TwoJudges());
  EXPECT_EQ(json["zero"], "policy v0");
  const Json& people = json["ratings"][0]["players"];
  EXPECT_EQ(people[1]["model"], "policy v4");
  EXPECT_EQ(people[1]["version"], 4);
  EXPECT_EQ(people[1]["placement"], "rated");
  EXPECT_NEAR(people[1]["elo"].get<double>(),
              400 / std::log(10) * std::log(57.0 / 43), 1e-6);
  EXPECT_NEAR(people[1]["win_rate"].get<double>(), 0.57, 1e-9);
  const Json& pm = json["ratings"][1];
  EXPECT_EQ(pm["judge"], "PM choices");
  EXPECT_EQ(pm["players"][2]["placement"], "above");
  EXPECT_FALSE(pm["players"][2].contains("elo"));
}

TEST(EloReportTest, ThePlotHasWhoIsRatedSideBySide) {
  const Plot plot = ToPlot(TwoJudges());
  EXPECT_THAT(plot.x_categories, ElementsAre("v0", "v4", "v12"));
  ASSERT_THAT(plot.series, SizeIs(2));
  EXPECT_EQ(plot.series[0].name, "people");
  EXPECT_THAT(plot.series[0].points, SizeIs(3));
  // Version 12 has no rating there.
  EXPECT_THAT(plot.series[1].points, SizeIs(2));
  const PlotPoint& people = plot.series[0].points[1];
  const PlotPoint& pm = plot.series[1].points[1];
  EXPECT_LT(people.x, 1);
  EXPECT_GT(pm.x, 1);
  EXPECT_NEAR(people.x + pm.x, 2, 1e-9);
  EXPECT_NEAR(people.y, 49, 0.1);
  EXPECT_NEAR(people.low, 49 - 68.8, 0.1);
  EXPECT_NEAR(people.high, 49 + 68.8, 0.1);
}

// 0, 100 and 200 Elo: 50, 64 and 76 % (1 / (1 + 10^(-elo / 400))).
TEST(EloReportTest, ThePlotReadsEloAsWinRateOnTheRight) {
  const Plot plot = ToPlot(TwoJudges());
  std::map<double, std::string> labels;
  for (const PlotTick& tick : plot.right_ticks) labels[tick.at] = tick.label;
  EXPECT_EQ(labels[0], "50 %");
  EXPECT_EQ(labels[100], "64 %");
  EXPECT_EQ(labels[200], "76 %");
  EXPECT_EQ(plot.right_title, "win rate against policy v0");
}

TEST(EloReportTest, AVersionThatNobodyRatesIsNotInThePlot) {
  std::vector<EloGame> games;
  Add(games, 4, 0, 2, 1);
  Add(games, 8, 9, 2, 1);
  const EloReport report = {.versions = {0, 4, 8, 9},
                            .columns = {Column("people", games)}};
  EXPECT_THAT(ToPlot(report).x_categories, ElementsAre("v0", "v4"));
  EXPECT_THAT(ToTable(report),
              AllOf(HasSubstr("policy v8        3      2  not connected\n"),
                    HasSubstr("not connected: no chain of games connects it "
                              "with policy v0\n"),
                    HasSubstr("connected among themselves (people): policy "
                              "v8, policy v9\n")));
}

}  // namespace
}  // namespace rlhf
