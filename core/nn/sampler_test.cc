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

// One row per draw, all of the same logits.
std::vector<SampledToken> Draw(const std::vector<float>& logits,
                               const SamplingParams& params, int count) {
  std::vector<double> uniforms;
  for (int i = 0; i < count; ++i) {
    uniforms.push_back(UniformAt(SampleStream(3, "p", 0), i));
  }
  const at::Tensor logit_BV =
      at::tensor(logits).unsqueeze(0).expand({count, -1});
  return SampleTokens(
      logit_BV, std::vector<SamplingParams>(static_cast<size_t>(count), params),
      uniforms);
}

TEST(SamplerTest, TruncatedDrawsFollowTheExactDistribution) {
  // Top-k 5 leaves 4, 3, 3, 2 and 2 of 14; adding up to 0.29, 0.5, 0.71, top-p
  // 0.7 leaves the first three: 4, 3 and 3 of 10. Logits are half the
  // log-probabilities, so that temperature 0.5 gives these.
  const std::vector<double> sixteenths = {1, 3, 2, 4, 1, 3, 2};
  std::vector<float> logits;
  for (const double p : sixteenths) {
    logits.push_back(static_cast<float>(std::log(p / 16) / 2));
  }
  constexpr int kDraws = 30000;

  const std::vector<SampledToken> tokens = Draw(
      logits, {.temperature = 0.5, .truncation = {.top_k = 5, .top_p = 0.7}},
      kDraws);

  const double expected[] = {0, 0.3, 0, 0.4, 0, 0.3, 0};
  int counts[7] = {};
  for (const SampledToken& token : tokens) {
    ++counts[token.token_id];
    EXPECT_NEAR(token.logprob, std::log(expected[token.token_id]), 1e-6);
  }
  double chi_square = 0;
  for (int i = 0; i < 7; ++i) {
    if (expected[i] == 0) {
      EXPECT_EQ(counts[i], 0) << i;
      continue;
    }
    const double mean = kDraws * expected[i];
    chi_square += (counts[i] - mean) * (counts[i] - mean) / mean;
  }
  // Two degrees of freedom: above 18.4 once in 10,000.
  EXPECT_LT(chi_square, 18.4);
}

TEST(SamplerTest, UntruncatedDrawsFollowTheExactDistribution) {
  constexpr int kDraws = 30000;
  const double expected[] = {0.2, 0.5, 0.3};
  int counts[3] = {};
  for (const SampledToken& token :
       Draw({std::log(0.2F), std::log(0.5F), std::log(0.3F)}, {}, kDraws)) {
    ++counts[token.token_id];
  }
  double chi_square = 0;
  for (int i = 0; i < 3; ++i) {
    const double mean = kDraws * expected[i];
    chi_square += (counts[i] - mean) * (counts[i] - mean) / mean;
  }
  EXPECT_LT(chi_square, 18.4);
}

TEST(SamplerTest, ATruncationThatRulesNothingOutDrawsTheSame) {
  const std::vector<float> logits = {0.3F, -1, 2, 0.5F, 1.5F};
  const auto plain = Draw(logits, {.temperature = 0.8}, 500);
  const auto truncated = Draw(
      logits, {.temperature = 0.8, .truncation = {.top_p = 0.9999999}}, 500);
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(plain[i].token_id, truncated[i].token_id);
    EXPECT_NEAR(plain[i].logprob, truncated[i].logprob, 1e-6);
  }
}

TEST(SamplerTest, TheModelsLogprobKnowsNeitherTemperatureNorTruncation) {
  const std::vector<float> logits = {std::log(0.2F), std::log(0.5F),
                                     std::log(0.3F)};
  for (const SamplingParams& params :
       {SamplingParams{}, SamplingParams{.temperature = 0},
        SamplingParams{.temperature = 0.5, .truncation = {.top_k = 2}}}) {
    for (const SampledToken& token : Draw(logits, params, 20)) {
      EXPECT_NEAR(token.model_logprob, logits[token.token_id], 1e-6);
    }
  }
}

TEST(SamplerTest, GreedyTakesTheFirstOfEqualsWhateverTheTruncation) {
  for (const Truncation& truncation :
       {Truncation{}, Truncation{.top_k = 1}, Truncation{.top_p = 0.1}}) {
    const auto tokens =
        Draw({1, 3, 3, 3, 2}, {.temperature = 0, .truncation = truncation}, 5);
    for (const SampledToken& token : tokens) {
      EXPECT_EQ(token.token_id, 1);
      EXPECT_EQ(token.logprob, token.model_logprob);
    }
  }
}

TEST(SamplerTest, RowsHaveParametersOfTheirOwn) {
  const at::Tensor logit_BV = at::tensor({0.F, 2.F, 1.F}).expand({3, 3});
  const std::vector<SamplingParams> params = {
      {.temperature = 0}, {.truncation = {.top_k = 2}}, {}};
  const auto tokens = SampleTokens(logit_BV, params, {0.999, 0.999, 0.0});
  EXPECT_EQ(tokens[0].token_id, 1);
  EXPECT_EQ(tokens[1].token_id, 2);
  EXPECT_EQ(tokens[2].token_id, 0);
}

TEST(SamplerTest, ARowThatIsNotANumberIsReportedAsSuch) {
  const auto tokens =
      Draw({1, std::nanf(""), 2}, {.truncation = {.top_k = 2}}, 3);
  for (const SampledToken& token : tokens) {
    EXPECT_TRUE(std::isnan(token.logprob));
  }
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
