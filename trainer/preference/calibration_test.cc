#include "trainer/preference/calibration.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(WilsonIntervalTest, MatchesTheReference) {
  const Json fixtures = ReadMathFixture("calibration");
  for (const Json& fixture : fixtures["intervals"]) {
    const Interval interval =
        WilsonInterval(fixture["correct"], fixture["total"]);
    EXPECT_NEAR(interval.low, fixture["low"].get<double>(), 1e-7);
    EXPECT_NEAR(interval.high, fixture["high"].get<double>(), 1e-7);
  }
}

TEST(ComputeCalibrationTest, MatchesHandComputedValues) {
  // Sure to 0.6 twice, right once; sure to 0.9 twice, right twice.
  const double weak = std::log(0.6 / 0.4);
  const double strong = std::log(0.9 / 0.1);
  const std::vector<double> margins = {weak, -weak, strong, strong};
  const Calibration result = ComputeCalibration(margins, /*num_bins=*/2);

  EXPECT_EQ(result.num_correct, 3);
  EXPECT_DOUBLE_EQ(result.accuracy, 0.75);
  ASSERT_EQ(result.bins.size(), 2u);
  EXPECT_EQ(result.bins[0].count, 2);
  EXPECT_NEAR(result.bins[0].confidence, 0.6, 1e-12);
  EXPECT_DOUBLE_EQ(result.bins[0].accuracy, 0.5);
  EXPECT_NEAR(result.bins[1].confidence, 0.9, 1e-12);
  EXPECT_DOUBLE_EQ(result.bins[1].accuracy, 1);
  // Half of |0.6 - 0.5| and half of |0.9 - 1|.
  EXPECT_NEAR(result.expected_calibration_error, 0.1, 1e-12);
  // (0.4^2 + 0.6^2 + 0.1^2 + 0.1^2) / 4.
  EXPECT_NEAR(result.brier, 0.135, 1e-12);
}

TEST(ComputeCalibrationTest, MatchesTheReference) {
  const Json fixture = ReadMathFixture("calibration");
  const Calibration result =
      ComputeCalibration(Doubles(fixture["margins"]), fixture["num_bins"]);
  EXPECT_EQ(result.num_correct, fixture["correct"].get<int64_t>());
  EXPECT_NEAR(result.expected_calibration_error, fixture["ece"].get<double>(),
              1e-12);
  EXPECT_NEAR(result.brier, fixture["brier"].get<double>(), 1e-12);
}

TEST(ComputeCalibrationTest, TiesAreNoMeritAndCertaintyHasABin) {
  const std::vector<double> margins = {0, 1000};
  const Calibration result = ComputeCalibration(margins, /*num_bins=*/10);
  EXPECT_EQ(result.num_correct, 1);
  EXPECT_EQ(result.bins.front().count, 1);
  EXPECT_EQ(result.bins.back().count, 1);
  // (0.5^2 + 0) / 2.
  EXPECT_DOUBLE_EQ(result.brier, 0.125);
}

TEST(ComputeCalibrationTest, NoPairsGiveZeroNotNan) {
  const Calibration result = ComputeCalibration({}, /*num_bins=*/10);
  EXPECT_EQ(result.accuracy, 0);
  EXPECT_EQ(result.brier, 0);
  EXPECT_EQ(result.expected_calibration_error, 0);
  EXPECT_EQ(result.interval.high, 1);
}

}  // namespace
}  // namespace rlhf
