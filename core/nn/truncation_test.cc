#include "core/nn/truncation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;

double LogSum(const std::vector<float>& logits, float temperature) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit / temperature);
  return std::log(sum);
}

std::vector<int32_t> Kept(const std::vector<float>& logits,
                          const Truncation& truncation, float temperature = 1) {
  return KeptTokens(logits, temperature, LogSum(logits, temperature),
                    truncation);
}

// Probabilities 0.1, 0.4, 0.2, 0.3.
std::vector<float> FourTokens() {
  return {std::log(0.1F), std::log(0.4F), std::log(0.2F), std::log(0.3F)};
}

TEST(TruncationTest, TopKKeepsTheLargest) {
  EXPECT_THAT(Kept(FourTokens(), {.top_k = 1}), ElementsAre(1));
  EXPECT_THAT(Kept(FourTokens(), {.top_k = 3}), ElementsAre(1, 2, 3));
}

TEST(TruncationTest, OfEqualsThoseWithLowerIdsComeFirst) {
  EXPECT_THAT(Kept({2, 5, 2, 2, 5}, {.top_k = 3}), ElementsAre(0, 1, 4));
  EXPECT_THAT(Kept({1, 1, 1, 1}, {.top_k = 2}), ElementsAre(0, 1));
  // Each has a quarter.
  EXPECT_THAT(Kept({0, 0, 0, 0}, {.top_p = 0.45}), ElementsAre(0, 1));
}

TEST(TruncationTest, TopPKeepsTheFewestThatHoldTheShare) {
  // In order: 0.4, 0.7, 0.9, 1.
  EXPECT_THAT(Kept(FourTokens(), {.top_p = 0.01}), ElementsAre(1));
  EXPECT_THAT(Kept(FourTokens(), {.top_p = 0.39}), ElementsAre(1));
  EXPECT_THAT(Kept(FourTokens(), {.top_p = 0.41}), ElementsAre(1, 3));
  EXPECT_THAT(Kept(FourTokens(), {.top_p = 0.71}), ElementsAre(1, 2, 3));
  EXPECT_THAT(Kept(FourTokens(), {.top_p = 0.91}), ElementsAre(0, 1, 2, 3));
}

TEST(TruncationTest, TopPIsAShareAtTheTemperature) {
  // At temperature 0.5 probabilities are squared: 0.16 of 0.3 is 0.53.
  EXPECT_THAT(Kept(FourTokens(), {.top_p = 0.5}, 0.5F), ElementsAre(1));
}

TEST(TruncationTest, TopPIsAShareOfWhatTopKLeft) {
  // 0.4 and 0.3 of 0.7: 0.57 and 1.
  EXPECT_THAT(Kept(FourTokens(), {.top_k = 2, .top_p = 0.55}), ElementsAre(1));
  EXPECT_THAT(Kept(FourTokens(), {.top_k = 2, .top_p = 0.6}),
              ElementsAre(1, 3));
}

TEST(TruncationTest, SaysWhetherItCanRuleAnythingOut) {
  EXPECT_FALSE(Truncation{}.Binds(4));
  EXPECT_FALSE((Truncation{.top_k = 4}).Binds(4));
  EXPECT_TRUE((Truncation{.top_k = 3}).Binds(4));
  EXPECT_TRUE((Truncation{.top_p = 0.999}).Binds(4));
}

TEST(TruncationTest, TheShortcutKeepsWhatSortingAllWouldKeep) {
  for (uint64_t row = 0; row < 20; ++row) {
    std::vector<float> logits;
    for (uint64_t i = 0; i < 3000; ++i) {
      // -10 to 10 in steps that leave many equals.
      logits.push_back(static_cast<float>(MixHash(row, i) % 201) / 10.0F -
                       10.0F);
    }
    const double top_p = 0.05 + 0.0475 * static_cast<double>(row);
    std::vector<int32_t> all(logits.size());
    std::iota(all.begin(), all.end(), 0);
    std::stable_sort(all.begin(), all.end(), [&](int32_t a, int32_t b) {
      return logits[a] > logits[b];
    });
    const double log_sum = LogSum(logits, 1);
    double sum = 0;
    size_t count = 0;
    while (sum < top_p) sum += std::exp(logits[all[count++]] - log_sum);
    all.resize(count);
    std::sort(all.begin(), all.end());

    EXPECT_EQ(Kept(logits, {.top_p = top_p}), all) << top_p;
  }
}

}  // namespace
}  // namespace rlhf
