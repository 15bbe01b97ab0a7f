#include "cli/doctor/judge_ranks.h"

#include <map>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Four ranks on two machines, all well.
RanksFigures GoodRanks() {
  const Build build = {.version = "0.2.0", .protocol = 4, .place = "x:1"};
  RanksFigures ranks = {
      .backend = "Gloo",
      .places = {{"a", build}, {"a", build}, {"b", build}, {"b", build}},
      .all_reduces = {{.bytes = 4096, .seconds = 1e-4},
                      {.bytes = 1 << 26, .seconds = 0.1}}};
  for (int first = 0; first < 4; ++first) {
    for (int second = first + 1; second < 4; ++second) {
      ranks.pairs.push_back({.first = first,
                             .second = second,
                             .link = {.bytes_per_s = 1e9,
                                      .round_trip_s = 1e-4,
                                      .clock_ahead_s = 1e-3,
                                      .clock_uncertainty_s = 1e-4}});
    }
  }
  return ranks;
}

std::map<std::string, Finding> Judged(const RanksFigures& ranks) {
  std::map<std::string, Finding> findings;
  for (const Finding& f : JudgeRanks(ranks)) findings[f.subject] = f;
  return findings;
}

TEST(JudgeRanksTest, GoodRanksHaveNoWarning) {
  for (const auto& [subject, finding] : Judged(GoodRanks())) {
    EXPECT_EQ(finding.level, Level::kOk) << subject;
  }
  EXPECT_EQ(Judged(GoodRanks())["ranks"].found, "all 4 came: 2 on a, 2 on b");
}

TEST(JudgeRanksTest, NamesTheSlowestPairByItsHosts) {
  RanksFigures ranks = GoodRanks();
  ranks.pairs[3].link.bytes_per_s = 0.4e9;  // 1 - 2
  const Finding warning = Judged(ranks)["slowest pair"];
  EXPECT_EQ(warning.level, Level::kWarning);
  EXPECT_THAT(warning.found,
              AllOf(HasSubstr("rank 1 (a) and rank 2 (b): 0.400 GB/s"),
                    HasSubstr("the median of 6 pairs has 1.000")));
  ranks.pairs[3].link.bytes_per_s = 0.09e9;
  EXPECT_EQ(Judged(ranks)["slowest pair"].level, Level::kFault);
}

TEST(JudgeRanksTest, LinksThatAreAllSlowAreAWarning) {
  RanksFigures ranks = GoodRanks();
  for (PairFigures& pair : ranks.pairs) pair.link.bytes_per_s = 0.09e9;
  EXPECT_EQ(Judged(ranks)["slowest pair"].level, Level::kWarning);
  EXPECT_THAT(Judged(ranks)["slowest pair"].advice, HasSubstr("1 Gbit/s"));
}

TEST(JudgeRanksTest, ALongRoundTripIsAWarning) {
  RanksFigures ranks = GoodRanks();
  ranks.pairs[5].link.round_trip_s = 0.006;
  const Finding finding = Judged(ranks)["longest round trip"];
  EXPECT_EQ(finding.level, Level::kWarning);
  EXPECT_THAT(finding.found, HasSubstr("rank 2 (b) and rank 3 (b): 6.000 ms"));
}

TEST(JudgeRanksTest, AnAllReduceFarBelowTheLinksIsAWarning) {
  RanksFigures ranks = GoodRanks();
  // Each of four ranks sends one and a half times 64 MiB.
  ranks.all_reduces.back().seconds = 0.1007;
  EXPECT_NEAR(ranks.all_reduces.back().sent_bytes_per_s(4), 1e9, 1e7);
  EXPECT_EQ(Judged(ranks)["Gloo all-reduce"].level, Level::kOk);
  ranks.all_reduces.back().seconds = 1.1;
  EXPECT_EQ(Judged(ranks)["Gloo all-reduce"].level, Level::kWarning);
}

TEST(JudgeRanksTest, TellsOfTheWorstClockAndOfOtherBuilds) {
  RanksFigures ranks = GoodRanks();
  ranks.pairs[1].link.clock_ahead_s = -2;  // 0 - 2
  ranks.places[3].build.version = "0.1.0";
  auto findings = Judged(ranks);
  EXPECT_EQ(findings["clock of rank 2 (b)"].level, Level::kWarning);
  EXPECT_EQ(findings["version of rank 3"].level, Level::kWarning);
}

TEST(PrintPairsTest, TheSlowestComesFirst) {
  RanksFigures ranks = GoodRanks();
  ranks.pairs[3].link.bytes_per_s = 0.4e9;
  std::ostringstream out;
  PrintPairs(ranks, out);
  const std::string text = out.str();
  EXPECT_LT(text.find("1 - 2"), text.find("0 - 1")) << text;
  EXPECT_THAT(text, HasSubstr("0.400"));
}

}  // namespace
}  // namespace rlhf
