#include "trainer/preference/pm_measurement.h"

#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::DoubleNear;

MeasuredPair Pair(double chosen, double rejected, int64_t chosen_tokens = 5,
                  int64_t rejected_tokens = 5) {
  return {.chosen_score = chosen,
          .rejected_score = rejected,
          .chosen_tokens = chosen_tokens,
          .rejected_tokens = rejected_tokens};
}

TEST(MeasurePmTest, NothingGivesNothing) {
  const PmMeasurement nothing = MeasurePm({}, 10);
  EXPECT_EQ(nothing.calibration.num_pairs, 0);
  EXPECT_EQ(nothing.loss, 0);
  EXPECT_EQ(nothing.ece_interval.high, 1);
  EXPECT_TRUE(nothing.slices.empty());
}

// Margins 2, 2, 2 and -2: a share of 3/4 is right, whose log-odds are ln 3, so
// the margins should have been ln 3 = 2 / T.
TEST(MeasurePmTest, TheTemperatureMakesMarginsHonest) {
  const PmMeasurement found =
      MeasurePm({Pair(2, 0), Pair(1, -1), Pair(3, 1), Pair(0, 2)}, 10);
  EXPECT_NEAR(found.temperature, 2 / std::log(3.0), 1e-6);
  EXPECT_NEAR(found.loss,
              (3 * std::log1p(std::exp(-2.0)) + std::log1p(std::exp(2.0))) / 4,
              1e-12);
  // The entropy of a coin that falls right 3 times of 4.
  EXPECT_NEAR(found.loss_at_temperature,
              -0.75 * std::log(0.75) - 0.25 * std::log(0.25), 1e-9);
}

TEST(MeasurePmTest, LengthBiasIsSeenBesidePeoples) {
  // People prefer the longer response once in three; the model always.
  const PmMeasurement found = MeasurePm(
      {Pair(1, 0, 9, 4), Pair(0, 2, 3, 8), Pair(-1, 1, 2, 7), Pair(5, 0)}, 10);
  EXPECT_NEAR(found.prefers_longer_share, 1, 1e-12);
  EXPECT_NEAR(found.people_prefer_longer_share, 1.0 / 3, 1e-12);
  EXPECT_GT(found.length_correlation, 0.5);
}

// Scores 0, 1, ..., 9 in five pairs (2k + 1 over 2k), the last one wrong.
TEST(MeasurePmTest, ThresholdsCountPairsThatAreWhollyAbove) {
  const PmMeasurement found = MeasurePm(
      {Pair(1, 0), Pair(3, 2), Pair(5, 4), Pair(7, 6), Pair(8, 9)}, 10);
  ASSERT_EQ(found.above_threshold.size(), 10u);
  EXPECT_EQ(found.above_threshold[0].num_pairs, 5);
  EXPECT_EQ(found.above_threshold[0].num_correct, 4);
  EXPECT_EQ(found.above_threshold[5].threshold, 5);
  EXPECT_EQ(found.above_threshold[5].num_pairs, 2);
  EXPECT_EQ(found.above_threshold[5].num_correct, 1);
  EXPECT_EQ(found.above_threshold[9].num_pairs, 0);
}

TEST(MeasurePmTest, SlicesAreCountedByValue) {
  std::vector<MeasuredPair> pairs = {Pair(1, 0), Pair(0, 1), Pair(2, 0)};
  pairs[0].slices = {{"turn", "1"}, {"source", "page"}};
  pairs[1].slices = {{"turn", "2"}, {"source", "page"}};
  pairs[2].slices = {{"turn", "1"}};
  const PmMeasurement found = MeasurePm(pairs, 10);
  ASSERT_EQ(found.slices.size(), 3u);
  EXPECT_EQ(found.slices[0].name, "source");
  EXPECT_EQ(found.slices[0].num_pairs, 2);
  EXPECT_EQ(found.slices[0].num_correct, 1);
  EXPECT_EQ(found.slices[1].value, "1");
  EXPECT_EQ(found.slices[1].num_correct, 2);
  EXPECT_EQ(found.slices[2].value, "2");
  EXPECT_EQ(found.slices[2].num_correct, 0);
}

// A calibrated model: the bootstrap intervals hold its Brier score, which is
// the mean of p (1 - p).
TEST(MeasurePmTest, IntervalsHoldWhatIsTrue) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> margin(0, 1.5);
  std::uniform_real_distribution<double> uniform;
  std::vector<MeasuredPair> pairs;
  double brier = 0;
  for (int i = 0; i < 400; ++i) {
    const double x = std::abs(margin(random));
    const double p = 1 / (1 + std::exp(-x));
    brier += p * (1 - p) / 400;
    pairs.push_back(uniform(random) < p ? Pair(x, 0) : Pair(0, x));
  }
  const PmMeasurement found = MeasurePm(pairs, 10);
  EXPECT_LT(found.brier_interval.low, brier);
  EXPECT_GT(found.brier_interval.high, brier);
  EXPECT_LT(found.brier_interval.low, found.calibration.brier);
  EXPECT_GT(found.brier_interval.high, found.calibration.brier);
  EXPECT_THAT(found.temperature, DoubleNear(1, 0.3));
}

}  // namespace
}  // namespace rlhf
