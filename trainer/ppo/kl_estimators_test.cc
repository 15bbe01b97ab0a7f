#include "trainer/ppo/kl_estimators.h"

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

TEST(KlEstimatorsTest, MatchHandComputedValues) {
  // Policy 1/2 and 1/4, reference 1/4 and 1/2: r = 1/2 and 2.
  const at::Tensor logprob_N = Row({std::log(0.5), std::log(0.25)});
  const at::Tensor ref_logprob_N = Row({std::log(0.25), std::log(0.5)});
  const double ln2 = std::log(2.0);

  EXPECT_THAT(Elements(KlK1(logprob_N, ref_logprob_N)),
              Near(std::vector<double>{ln2, -ln2}, 1e-15));
  EXPECT_THAT(Elements(KlK2(logprob_N, ref_logprob_N)),
              Near(std::vector<double>{ln2 * ln2 / 2, ln2 * ln2 / 2}, 1e-15));
  EXPECT_THAT(Elements(KlK3(logprob_N, ref_logprob_N)),
              Near(std::vector<double>{0.5 - 1 + ln2, 2 - 1 - ln2}, 1e-15));
}

TEST(KlEstimatorsTest, MatchTheReference) {
  const Json fixture = ReadMathFixture("kl");
  for (const Precision& precision : Precisions()) {
    const at::Tensor logprob_N =
        Row(Doubles(fixture["logprob"]), precision.dtype);
    const at::Tensor ref_logprob_N =
        Row(Doubles(fixture["ref_logprob"]), precision.dtype);
    const double tolerance = precision.tolerance;
    EXPECT_THAT(Elements(KlK1(logprob_N, ref_logprob_N)),
                Near(Doubles(fixture["k1"]), tolerance));
    EXPECT_THAT(Elements(KlK2(logprob_N, ref_logprob_N)),
                Near(Doubles(fixture["k2"]), tolerance));
    EXPECT_THAT(Elements(KlK3(logprob_N, ref_logprob_N)),
                Near(Doubles(fixture["k3"]), tolerance));
    const KlSums sums = SumKl(logprob_N, ref_logprob_N);
    const double k1_sum = fixture["k1_sum"];
    const double k3_sum = fixture["k3_sum"];
    EXPECT_NEAR(sums.k1_nats, k1_sum, tolerance * (1 + std::abs(k1_sum)));
    EXPECT_NEAR(sums.k3_nats, k3_sum, tolerance * (1 + std::abs(k3_sum)));
    EXPECT_EQ(sums.num_tokens, 40);
  }
}

TEST(KlEstimatorsTest, EachResponseHasTheSumOfItsTokens) {
  const at::Tensor logprob_N = Row({-1, -2, -3, -1});
  const at::Tensor ref_logprob_N = Row({-1, -2.5, -3.5, -2});
  // k3 of a log-ratio of -0.5 and of -1.
  const double half = std::exp(-0.5) - 1 + 0.5, one = std::exp(-1.0);
  EXPECT_THAT(KlK3OfResponses(logprob_N, ref_logprob_N, {2, 0, 2}),
              Near(std::vector<double>{half, 0, half + one}, 1e-15));
}

TEST(KlEstimatorsDeathTest, LengthsThatAreNotTheTokensDie) {
  const at::Tensor logprob_N = Row({-1, -2});
  EXPECT_DEATH(KlK3OfResponses(logprob_N, logprob_N, {1, 2}),
               "responses of other lengths than the 2 tokens");
}

// The expectation over a whole vocabulary of three, taken by hand: k1 and k3
// are unbiased, so both give the exact KL.
TEST(KlEstimatorsTest, AreUnbiasedOverAnEnumeratedVocabulary) {
  const std::vector<double> policy = {0.7, 0.2, 0.1};
  const std::vector<double> reference = {0.3, 0.3, 0.4};
  const at::Tensor policy_V = Row(policy);
  const at::Tensor logprob_V = policy_V.log();
  const at::Tensor ref_logprob_V = Row(reference).log();
  double exact = 0;
  for (size_t v = 0; v < policy.size(); ++v) {
    exact += policy[v] * std::log(policy[v] / reference[v]);
  }
  const at::Tensor k1_V = KlK1(logprob_V, ref_logprob_V);
  const at::Tensor k3_V = KlK3(logprob_V, ref_logprob_V);
  EXPECT_NEAR(policy_V.dot(k1_V).item<double>(), exact, 1e-14);
  EXPECT_NEAR(policy_V.dot(k3_V).item<double>(), exact, 1e-14);
}

TEST(KlEstimatorsTest, K3IsNotNegativeAndKeepsTinyDifferences) {
  // k3 = x^2 / 2 + x^3 / 6 + ... for a log-ratio x.
  const at::Tensor k3_N = KlK3(Row({0, 0, 0}), Row({1e-9, -1e-9, 0}));
  EXPECT_GE(k3_N.min().item<double>(), 0);
  const at::Tensor small_N = KlK3(Row({0}), Row({1e-3}));
  EXPECT_NEAR(small_N.item<double>(), 5.00166708e-7, 1e-14);
}

TEST(SummarizeKlTest, DividesBySequencesAndByTokens) {
  const KlSummary summary =
      SummarizeKl({.k1_nats = 6, .k3_nats = 12, .num_tokens = 24}, 3);
  EXPECT_DOUBLE_EQ(summary.k1_nats_per_sequence, 2);
  EXPECT_DOUBLE_EQ(summary.k3_nats_per_sequence, 4);
  EXPECT_DOUBLE_EQ(summary.k1_nats_per_token, 0.25);
  EXPECT_DOUBLE_EQ(summary.k3_nats_per_token, 0.5);
}

TEST(SummarizeKlTest, EmptyBatchGivesZeroNotNan) {
  const KlSummary summary = SummarizeKl(SumKl(Row({}), Row({})), 0);
  EXPECT_EQ(summary.k1_nats_per_sequence, 0);
  EXPECT_EQ(summary.k3_nats_per_token, 0);
}

TEST(KlEstimatorsDeathTest, DiesOnDifferentShapes) {
  EXPECT_DEATH(KlK1(Row({0, 0}), Row({0})), "shapes \\[2\\] and \\[1\\]");
}

}  // namespace
}  // namespace rlhf
