#include "trainer/preference/auroc.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

double Win(double outlier, double ordinary) {
  return outlier > ordinary ? 1 : outlier == ordinary ? 0.5 : 0;
}

// Pair by pair, as DeLong et al. 1988 define estimate and variance.
Auroc BruteForce(const std::vector<double>& ordinary,
                 const std::vector<double>& outliers) {
  const auto m = static_cast<double>(outliers.size());
  const auto n = static_cast<double>(ordinary.size());
  Auroc result{.value = 0, .interval = {}};
  for (const double x : outliers) {
    for (const double y : ordinary) result.value += Win(x, y) / (m * n);
  }
  double variance = 0;
  for (const double x : outliers) {
    double mean = 0;
    for (const double y : ordinary) mean += Win(x, y) / n;
    variance += std::pow(mean - result.value, 2) / (m - 1) / m;
  }
  for (const double y : ordinary) {
    double mean = 0;
    for (const double x : outliers) mean += Win(x, y) / m;
    variance += std::pow(mean - result.value, 2) / (n - 1) / n;
  }
  result.interval = {.low = result.value - 1.959963984540054 * sqrt(variance),
                     .high = result.value + 1.959963984540054 * sqrt(variance)};
  return result;
}

TEST(ComputeAurocTest, EqualsTheCountOverAllPairs) {
  std::mt19937_64 random(1);
  for (const int values : {3, 10, 1000}) {  // few values: many ties
    std::uniform_int_distribution<int> draw(0, values);
    std::vector<double> ordinary, outliers;
    for (int i = 0; i < 61; ++i) ordinary.push_back(draw(random));
    for (int i = 0; i < 47; ++i) {
      outliers.push_back(draw(random) + values / 10);
    }
    const Auroc fast = ComputeAuroc(ordinary, outliers);
    const Auroc slow = BruteForce(ordinary, outliers);
    EXPECT_NEAR(fast.value, slow.value, 1e-12);
    EXPECT_NEAR(fast.interval.low, slow.interval.low, 1e-12);
    EXPECT_NEAR(fast.interval.high, slow.interval.high, 1e-12);
  }
}

// Of the six pairs, 3 > 1, 3 > 2 and 2 > 1 are right, 2 = 2 is half, and both
// of 0 are wrong.
TEST(ComputeAurocTest, MatchesHandComputedValues) {
  EXPECT_DOUBLE_EQ(
      ComputeAuroc(std::vector<double>{1, 2}, std::vector<double>{3, 2, 0})
          .value,
      3.5 / 6);
}

TEST(ComputeAurocTest, WhollyApartIsNotCertain) {
  const std::vector<double> low = {1, 2, 3, 4, 5}, high = {7, 8, 9};
  const Auroc right = ComputeAuroc(low, high);
  EXPECT_EQ(right.value, 1);
  EXPECT_EQ(right.interval.low, WilsonInterval(3, 3).low);
  EXPECT_EQ(right.interval.high, 1);
  const Auroc wrong = ComputeAuroc(high, low);
  EXPECT_EQ(wrong.value, 0);
  EXPECT_NEAR(wrong.interval.low, 0, 1e-12);
  EXPECT_EQ(wrong.interval.high, WilsonInterval(0, 3).high);
}

TEST(ComputeAurocTest, OneExampleOrNoneSaysHardlyAnything) {
  const std::vector<double> three = {1, 2, 3}, one = {2.5};
  EXPECT_NEAR(ComputeAuroc(three, one).value, 2.0 / 3, 1e-12);
  EXPECT_LT(ComputeAuroc(three, one).interval.low, 0.2);
  EXPECT_EQ(ComputeAuroc(three, {}).value, 0.5);
  EXPECT_EQ(ComputeAuroc({}, three).interval.low, 0);
  EXPECT_EQ(ComputeAuroc({}, three).interval.high, 1);
}

// Standard normal scores, outliers one deviation above: the area is
// Phi(1 / sqrt 2) = 0.76025. 95 of 100 intervals should hold it; 87 or fewer of
// 100 has a probability of 0.2 %.
TEST(ComputeAurocTest, TheIntervalsHoldTheTruthAsOftenAsTheySay) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal;
  int held = 0;
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<double> ordinary, outliers;
    for (int i = 0; i < 100; ++i) ordinary.push_back(normal(random));
    for (int i = 0; i < 60; ++i) outliers.push_back(normal(random) + 1);
    const Interval interval = ComputeAuroc(ordinary, outliers).interval;
    held += interval.low < 0.76025 && 0.76025 < interval.high ? 1 : 0;
  }
  EXPECT_GT(held, 87);
}

TEST(ComputeAurocDeathTest, DiesOnAScoreThatIsNoNumber) {
  EXPECT_DEATH(ComputeAuroc(std::vector<double>{NAN}, std::vector<double>{1}),
               "nan");
}

}  // namespace
}  // namespace rlhf
