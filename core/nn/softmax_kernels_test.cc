#include "core/nn/softmax_kernels.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

std::vector<float> Logits(int64_t width, double spread) {
  std::mt19937 random(static_cast<unsigned>(width));
  std::normal_distribution<double> normal(3, spread);
  std::vector<float> logits;
  for (int64_t i = 0; i < width; ++i) {
    logits.push_back(static_cast<float>(normal(random)));
  }
  return logits;
}

struct Exact {
  double log_sum = 0, entropy = 0;
};

Exact ExactStats(const std::vector<float>& logits, double temperature) {
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const double x : logits) largest = std::max(largest, x / temperature);
  for (const double x : logits) sum += std::exp(x / temperature - largest);
  Exact exact = {.log_sum = largest + std::log(sum)};
  for (const double x : logits) {
    const double logprob = x / temperature - exact.log_sum;
    if (std::isfinite(logprob)) exact.entropy -= std::exp(logprob) * logprob;
  }
  return exact;
}

TEST(SoftmaxKernelsTest, StatsAreThoseOfFloat64) {
  for (const int64_t width : {1, 7, 1024, 1025, 49152}) {
    for (const double spread : {0.1, 3.0, 30.0}) {
      for (const float temperature : {1.F, 0.25F, 3.F}) {
        const std::vector<float> logits = Logits(width, spread);
        const Exact exact = ExactStats(logits, temperature);
        const SoftmaxStats stats =
            StatsOfRow(logits.data(), width, temperature, true);
        const double tolerance = 1e-6 * (1 + std::abs(exact.log_sum));
        EXPECT_NEAR(stats.log_sum, exact.log_sum, tolerance);
        EXPECT_NEAR(stats.entropy, exact.entropy, 1e-5 * (1 + exact.entropy));
        EXPECT_NEAR(
            StatsOfRow(logits.data(), width, temperature, false).log_sum,
            exact.log_sum, tolerance);
      }
    }
  }
}

TEST(SoftmaxKernelsTest, PartsAndScaledProbabilitiesAddUp) {
  std::vector<float> logits = Logits(5000, 3);
  const double log_sum = ExactStats(logits, 0.7).log_sum;
  const double part = ProbabilityOfPart(logits.data(), 3000, 0.7F, log_sum);
  const double rest =
      ProbabilityOfPart(logits.data() + 3000, 2000, 0.7F, log_sum);
  EXPECT_NEAR(part + rest, 1, 1e-5);
  const std::vector<float> before = logits;
  ScaledProbabilitiesOfRow(logits.data(), 5000, 0.7F, log_sum, 2);
  for (size_t i = 0; i < logits.size(); ++i) {
    const double expected = -2 * std::exp(before[i] / 0.7 - log_sum);
    EXPECT_NEAR(logits[i], expected, 1e-5 * std::abs(expected) + 1e-35);
  }
}

TEST(SoftmaxKernelsTest, ATokenThatIsRuledOutChangesNothing) {
  std::vector<float> logits = Logits(100, 3);
  const Exact exact = ExactStats(logits, 1);
  logits.push_back(-std::numeric_limits<float>::infinity());
  const SoftmaxStats stats = StatsOfRow(logits.data(), 101, 1, true);
  EXPECT_NEAR(stats.log_sum, exact.log_sum, 1e-5);
  EXPECT_NEAR(stats.entropy, exact.entropy, 1e-5);
  ScaledProbabilitiesOfRow(logits.data(), 101, 1, stats.log_sum, 1);
  EXPECT_NEAR(logits[100], 0, 1e-30);
}

TEST(SoftmaxKernelsTest, ALogitThatIsNoNumberIsSeen) {
  std::vector<float> logits = Logits(100, 3);
  logits[70] = std::nanf("");
  EXPECT_TRUE(std::isnan(StatsOfRow(logits.data(), 100, 1, false).log_sum));
}

}  // namespace
}  // namespace rlhf
