#include "cli/plot_scale.h"

#include <cmath>
#include <limits>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::Pointwise;

ValueSpan SpanOf(const std::vector<double>& values) {
  ValueSpan span;
  for (const double value : values) span.Add(value);
  return span;
}

TEST(NiceTicksTest, StepsAreOneTwoOrFiveTimesAPowerOfTen) {
  EXPECT_THAT(NiceTicks({.low = 0, .high = 1}, 6),
              Pointwise(DoubleEq(), {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}));
  EXPECT_THAT(NiceTicks({.low = 0, .high = 1}, 11),
              Pointwise(DoubleEq(), {0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7,
                                     0.8, 0.9, 1.0}));
  EXPECT_THAT(NiceTicks({.low = -130, .high = 260}, 6),
              ElementsAre(-100, 0, 100, 200));
  EXPECT_THAT(NiceTicks({.low = 0.3, .high = 23}, 6),
              ElementsAre(5, 10, 15, 20));
}

TEST(NiceTicksTest, TheyAreInTheRangeAndNotTooMany) {
  for (const double low : {-1e9, -37.5, -1e-7, 0.0, 3.3e-5, 12.0, 99999.0}) {
    for (const double width : {1e-5, 0.37, 1.0, 19.0, 1234.5, 7e8}) {
      for (const int most : {2, 3, 6, 10}) {
        const AxisRange range = {.low = low, .high = low + width};
        const std::vector<double> ticks = NiceTicks(range, most);
        EXPECT_LE(ticks.size(), most);
        const double rounding = 1e-6 * width + 1e-15 * std::abs(low);
        for (const double tick : ticks) {
          EXPECT_GE(tick, range.low - rounding);
          EXPECT_LE(tick, range.high + rounding);
        }
      }
    }
  }
}

TEST(NiceTicksTest, ZeroHasNoSign) {
  for (const double tick : NiceTicks({.low = -0.1, .high = 1}, 6)) {
    EXPECT_FALSE(tick == 0 && std::signbit(tick));
  }
}

TEST(NiceTicksDeathTest, DiesOnARangeTheWrongWayRound) {
  EXPECT_DEATH(NiceTicks({.low = 2, .high = 1}, 6), "2 to 1");
}

TEST(TickLabelsTest, TheyHaveTheDecimalsThatTheStepNeeds) {
  EXPECT_THAT(TickLabels({0, 50, 100}), ElementsAre("0", "50", "100"));
  EXPECT_THAT(TickLabels({-0.2, 0, 0.2}), ElementsAre("-0.2", "0.0", "0.2"));
  EXPECT_THAT(TickLabels({0.1 * 3, 0.1 * 4}), ElementsAre("0.3", "0.4"));
  EXPECT_THAT(TickLabels({0, 0.005, 0.01}),
              ElementsAre("0.000", "0.005", "0.010"));
  EXPECT_THAT(TickLabels({0, 1e9, 2e9}), ElementsAre("0", "1e+09", "2e+09"));
  EXPECT_THAT(TickLabels({0, 2e-8, 4e-8}), ElementsAre("0", "2e-08", "4e-08"));
  EXPECT_THAT(TickLabels({0}), ElementsAre("0"));
  EXPECT_THAT(TickLabels({}), ElementsAre());
}

TEST(TickLabelsTest, NoTwoAreAlike) {
  for (const AxisRange& range : {AxisRange{.low = 1e9, .high = 1e9 + 10},
                                 {.low = 0.99999, .high = 1},
                                 {.low = -3e-9, .high = 8e-9},
                                 {.low = 1e-250, .high = 1e250}}) {
    const std::vector<std::string> labels = TickLabels(NiceTicks(range, 6));
    EXPECT_GE(labels.size(), 2);
    const std::set<std::string> different(labels.begin(), labels.end());
    EXPECT_EQ(different.size(), labels.size());
  }
}

TEST(ValueSpanTest, LeavesRoomAroundTheValues) {
  const AxisRange range = SpanOf({10, 0, 5}).Range(/*from_zero=*/false);
  EXPECT_DOUBLE_EQ(range.low, -0.4);
  EXPECT_DOUBLE_EQ(range.high, 10.4);
}

TEST(ValueSpanTest, BarsStandOnZero) {
  EXPECT_EQ(SpanOf({5, 10}).Range(true).low, 0);
  EXPECT_DOUBLE_EQ(SpanOf({5, 10}).Range(true).high, 10.4);
  EXPECT_EQ(SpanOf({-5, -10}).Range(true).high, 0);
  EXPECT_LT(SpanOf({-5, 10}).Range(true).low, -5);
}

TEST(ValueSpanTest, WhatCannotBePlottedIsIgnored) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  ValueSpan span = SpanOf({kInfinity, -kInfinity, NAN, 1.7e308});
  EXPECT_TRUE(span.empty());
  EXPECT_EQ(span.Range(false).low, 0);
  EXPECT_EQ(span.Range(false).high, 1);
  span.Add(3);
  EXPECT_FALSE(span.empty());
  EXPECT_LT(span.Range(false).high, 4);
}

TEST(ValueSpanTest, OneValueHasARangeWithTicks) {
  for (const double value : {0.0, 1.0, -4e12, 2.5e-9}) {
    for (const bool from_zero : {false, true}) {
      const AxisRange range = SpanOf({value, value}).Range(from_zero);
      EXPECT_LE(range.low, value);
      EXPECT_GE(range.high, value);
      EXPECT_GE(NiceTicks(range, 6).size(), 2);
    }
  }
}

}  // namespace
}  // namespace rlhf
