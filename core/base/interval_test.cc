#include "core/base/interval.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(WilsonIntervalTest, MatchesHandComputedValues) {
  // 5 of 10, with z^2 = 3.841459: center 1/2, half-width
  // z sqrt(0.025 + 3.841459 / 400) / 1.3841459 = 0.263406.
  const Interval interval = WilsonInterval(5, 10);
  EXPECT_NEAR(interval.low, 0.236594, 1e-5);
  EXPECT_NEAR(interval.high, 0.763406, 1e-5);
}

TEST(WilsonIntervalTest, NothingSeenSaysNothing) {
  EXPECT_EQ(WilsonInterval(0, 0).low, 0);
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
}

TEST(WilsonIntervalDeathTest, DiesOnMoreCorrectThanSeen) {
  EXPECT_DEATH(WilsonInterval(3, 2), "3 of 2");
}

}  // namespace
}  // namespace rlhf
