#include "cli/metrics_text.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(MetricsTextTest, SumsTheSamplesThatHaveALabel) {
  const MetricsText text = MetricsText::Parse(
      "# HELP rollouts_total rollouts 5\n"
      "# TYPE rollouts_total counter\n"
      "rollouts_total{state=\"done\",actor=\"a b}\"} 3\n"
      "rollouts_total{state=\"done\"} 4 1700000000000\n"
      "rollouts_total{state=\"failed\"} 1e1\n"
      "version 7\n");
  EXPECT_EQ(text.Sum("rollouts_total"), 17);
  EXPECT_EQ(text.Sum("rollouts_total", "state=\"done\""), 7);
  EXPECT_EQ(text.Sum("version"), 7);
  EXPECT_EQ(text.Sum("rollouts"), 0);
}

TEST(MetricsTextTest, WhatIsMalformedIsPassedOver) {
  const MetricsText text = MetricsText::Parse(
      "\n}{\na{\nb} 1\nc{x=\"1\"}\nd \ne many\n<html>no metrics</html>\n"
      "\xff\xfe 3\nf 2");
  EXPECT_EQ(text.Sum("f"), 2);
  for (const char* name : {"a", "c", "d", "e"}) EXPECT_EQ(text.Sum(name), 0);
}

// 10 observations: 5 up to 1, 8 up to 2, all up to infinity.
TEST(QuantileBetweenTest, IsLinearWithinABucket) {
  const MetricsText text = MetricsText::Parse(
      "t_bucket{le=\"1\"} 5\nt_bucket{le=\"2\"} 8\nt_bucket{le=\"+Inf\"} 10\n");
  const HistogramCounts counts = text.Histogram("t");
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_NEAR(QuantileBetween({}, counts, 0.5), 1, 1e-9);
  EXPECT_NEAR(QuantileBetween({}, counts, 0.65), 1.5, 1e-9);
  EXPECT_NEAR(QuantileBetween({}, counts, 0.99), 2, 1e-9);
}

TEST(QuantileBetweenTest, OnlyWhatCameSinceCounts) {
  const HistogramCounts before = {{1, 100}, {2, 100}, {kInfinity, 100}};
  EXPECT_NEAR(
      QuantileBetween(before, {{1, 100}, {2, 110}, {kInfinity, 110}}, 0.5), 1.5,
      1e-9);
  EXPECT_TRUE(std::isnan(QuantileBetween(before, before, 0.5)));
  // It began again.
  EXPECT_TRUE(std::isnan(
      QuantileBetween(before, {{1, 3}, {2, 3}, {kInfinity, 3}}, 0.5)));
  EXPECT_TRUE(std::isnan(QuantileBetween({}, {}, 0.5)));
}

}  // namespace
}  // namespace rlhf
