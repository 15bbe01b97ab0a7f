#include "trainer/preference/score_tranches.h"

#include <cmath>
#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::SizeIs;

TranchePair Pair(const std::string& tranche, double chosen, double rejected) {
  return {
      .tranche = tranche, .chosen_score = chosen, .rejected_score = rejected};
}

TEST(MeasureTranchesTest, BaseIsWhatOthersAreComparedWith) {
  const ScoreTranches found = MeasureTranches(std::vector<TranchePair>{
      Pair("an import", 1, 2), Pair("base", 1, 0), Pair("base", 3, 0),
      Pair("an import", 2, 1), Pair("", 9, 9)});
  ASSERT_THAT(found.tranches, SizeIs(2));
  EXPECT_EQ(found.tranches[0].name, "base");
  EXPECT_EQ(found.tranches[0].mean, 1);
  EXPECT_EQ(found.tranches[0].gap, 0);
  EXPECT_EQ(found.tranches[0].num_correct, 2);
  EXPECT_EQ(found.tranches[1].num_pairs, 2);
  EXPECT_EQ(found.tranches[1].num_correct, 1);
  EXPECT_EQ(found.tranches[1].mean, 1.5);
  EXPECT_EQ(found.tranches[1].gap, 0.5);
}

// Pair means 0.5 and 1.5: variance 1/2, of their mean 1/4. Those of the import
// are both 1.5: none. So the interval is 1.96 times a half each way.
TEST(MeasureTranchesTest, APairCountsOnceInTheInterval) {
  const ScoreTranches found = MeasureTranches(
      std::vector<TranchePair>{Pair("base", 1, 0), Pair("base", 3, 0),
                               Pair("x", 1, 2), Pair("x", 2, 1)});
  EXPECT_NEAR(found.tranches[1].gap_interval.low, 0.5 - 1.959964 / 2, 1e-6);
  EXPECT_NEAR(found.tranches[1].gap_interval.high, 0.5 + 1.959964 / 2, 1e-6);
}

TEST(MeasureTranchesTest, EveryScoreIsInOneBin) {
  const ScoreTranches found = MeasureTranches(
      std::vector<TranchePair>{Pair("base", 1, -1), Pair("base", 0, 0.5)});
  ASSERT_THAT(found.edges, SizeIs(kScoreBins + 1));
  EXPECT_EQ(found.edges.front(), -1);
  EXPECT_EQ(found.edges.back(), 1);
  const std::vector<int64_t>& counts = found.tranches[0].counts;
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), 4);
  EXPECT_EQ(counts.front(), 1);
  EXPECT_EQ(counts.back(), 1);
}

// log 3 above: 400 log10(3) Elo, and it wins three of four times.
TEST(MeasureTranchesTest, AGapIsToldAsEloAndAsWinRate) {
  const Json json = ToJson(MeasureTranches(std::vector<TranchePair>{
      Pair("base", 0, 0), Pair("x", std::log(3.0), std::log(3.0))}));
  const Json& gap = json["tranches"][1]["above_first"];
  EXPECT_NEAR(gap["elo"].get<double>(), 400 * std::log10(3), 1e-9);
  EXPECT_NEAR(gap["win_rate"].get<double>(), 0.75, 1e-12);
  // One pair says nothing of how far the mean may be off.
  EXPECT_TRUE(json["tranches"][1]["above_first_low"].is_null());
}

TEST(MeasureTranchesTest, NothingAndEqualScoresAreFine) {
  EXPECT_THAT(MeasureTranches({}).tranches, SizeIs(0));
  const ScoreTranches equal =
      MeasureTranches(std::vector<TranchePair>{Pair("base", 2, 2)});
  EXPECT_EQ(equal.edges.front(), 1.5);
  EXPECT_EQ(equal.tranches[0].counts[kScoreBins / 2], 2);
}

}  // namespace
}  // namespace rlhf
