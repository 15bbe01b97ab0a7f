#include "core/nn/sampler.h"

#include <ATen/ops/tensor.h>

#include <cmath>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Three tokens with probabilities 0.2, 0.5 and 0.3.
at::Tensor ThreeTokens() {
  return at::tensor({std::log(0.2f), std::log(0.5f), std::log(0.3f)})
      .unsqueeze(0);
}

TEST(SamplerTest, InvertsTheCumulativeDistribution) {
  // Cumulative: 0.2, 0.7, 1.
  const std::pair<double, int> cases[] = {{0.0, 0},  {0.19, 0}, {0.21, 1},
                                          {0.69, 1}, {0.71, 2}, {0.9999999, 2}};
  for (const auto& [uniform, token] : cases) {
    EXPECT_EQ(SampleTokens(ThreeTokens(), 1.0, {uniform})[0].token_id, token)
        << uniform;
  }
}

TEST(SamplerTest, ReportsTheLogprobAtTheSamplingTemperature) {
  // At temperature 0.5 probabilities are squared: 0.04, 0.25, 0.09 over 0.38.
  const SampledToken token = SampleTokens(ThreeTokens(), 0.5, {0.5})[0];
  EXPECT_EQ(token.token_id, 1);
  EXPECT_NEAR(token.logprob, std::log(0.25 / 0.38), 1e-6);
}

TEST(SamplerTest, TemperatureZeroIsGreedy) {
  const SampledToken token = SampleTokens(ThreeTokens(), 0, {0.999})[0];
  EXPECT_EQ(token.token_id, 1);
  EXPECT_NEAR(token.logprob, std::log(0.5), 1e-6);
}

TEST(SamplerTest, StreamsDependOnEveryPartOfTheirKey) {
  const uint64_t base = SampleStream(1, "prompt", 0);
  EXPECT_EQ(base, SampleStream(1, "prompt", 0));
  EXPECT_NE(base, SampleStream(2, "prompt", 0));
  EXPECT_NE(base, SampleStream(1, "other", 0));
  EXPECT_NE(base, SampleStream(1, "prompt", 1));
  EXPECT_NE(UniformAt(base, 0), UniformAt(base, 1));
}

TEST(SamplerTest, UniformsAreUniform) {
  // 20,000 draws: mean 1/2 +- 4 * sqrt(1/12/20000) = 0.0082, and each tenth
  // holds 2,000 +- 4 * sqrt(1800) = 170.
  double sum = 0;
  int tenths[10] = {};
  for (int i = 0; i < 20000; ++i) {
    const double u = UniformAt(SampleStream(7, "p", i / 100), i % 100);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    ++tenths[static_cast<int>(u * 10)];
  }
  EXPECT_NEAR(sum / 20000, 0.5, 0.0082);
  for (const int count : tenths) EXPECT_NEAR(count, 2000, 170);
}

}  // namespace
}  // namespace rlhf
