#include "core/nn/pointwise_kernels.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double Silu(double x) { return x / (1 + std::exp(-x)); }

TEST(PointwiseKernelsTest, SwigluIsExactToTheLastDigitsEverywhere) {
  std::vector<float> gate, up;
  for (float x = -120; x < 120; x += 0.037F) {
    gate.push_back(x);
    up.push_back(1.5F);
  }
  const auto size = static_cast<int64_t>(gate.size());
  std::vector<float> out(gate.size());
  SwigluRow(gate.data(), up.data(), size, out.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double expected = 1.5 * Silu(gate[i]);
    // Below -87 what is left is smaller than any use of it.
    EXPECT_NEAR(out[i], expected, 1e-6 * std::abs(expected) + 1e-35) << gate[i];
  }
}

TEST(PointwiseKernelsTest, SwigluGradientIsTheSlope) {
  std::vector<float> gate, up, gradient;
  for (float x = -30; x < 30; x += 0.11F) {
    gate.push_back(x);
    up.push_back(std::sin(x));
    gradient.push_back(std::cos(3 * x));
  }
  std::vector<float> of_gate(gate.size()), of_up(gate.size());
  SwigluGradientRow(gate.data(), up.data(), gradient.data(),
                    static_cast<int64_t>(gate.size()), of_gate.data(),
                    of_up.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double x = gate[i], step = 1e-5;
    const double slope = (Silu(x + step) - Silu(x - step)) / (2 * step);
    EXPECT_NEAR(of_gate[i], gradient[i] * up[i] * slope, 1e-6) << x;
    EXPECT_NEAR(of_up[i], gradient[i] * Silu(x), 1e-6 * (1 + std::abs(x)));
  }
}

TEST(PointwiseKernelsTest, NoNumberAndInfinityArePassedOn) {
  const std::vector<float> gate = {std::nanf(""), kInfinity, 1, -kInfinity};
  const std::vector<float> ones(4, 1.F);
  std::vector<float> out(4);
  SwigluRow(gate.data(), ones.data(), 4, out.data());
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_EQ(out[1], kInfinity);
  EXPECT_FALSE(std::isnan(out[2]));
  RmsNormRow(gate.data(), ones.data(), 1e-5F, 2, out.data());
  EXPECT_TRUE(std::isnan(out[0]));
}

TEST(PointwiseKernelsTest, NarrowingRoundsAsC10Does) {
  std::vector<float> numbers = {0.F,
                                -0.F,
                                1.F,
                                kInfinity,
                                -kInfinity,
                                std::nanf(""),
                                std::numeric_limits<float>::max(),
                                std::numeric_limits<float>::denorm_min(),
                                1.00390625F,   // a tie
                                1.01171875F};  // a tie the other way
  std::mt19937 random(7);
  for (int i = 0; i < 1000; ++i) {
    numbers.push_back(std::ldexp(static_cast<float>(random()) - 2e9F,
                                 static_cast<int>(random() % 60) - 60));
  }
  const auto size = static_cast<int64_t>(numbers.size());
  std::vector<c10::BFloat16> narrow(numbers.size());
  std::vector<float> wide(numbers.size());
  NarrowRow(numbers.data(), size, narrow.data());
  WidenRow(narrow.data(), size, wide.data());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto expected = static_cast<float>(c10::BFloat16(numbers[i]));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(wide[i]));
    } else {
      EXPECT_EQ(wide[i], expected) << numbers[i];
    }
  }
}

}  // namespace
}  // namespace rlhf
