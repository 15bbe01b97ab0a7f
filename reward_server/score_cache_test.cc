#include "reward_server/score_cache.h"

#include <bit>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::Optional;

// Of an entry with a key of one letter and one score.
constexpr size_t kEntry = 1 + sizeof(float) + ScoreCache::kOverheadBytes;

TEST(ScoreCacheTest, GivesTheBitsThatWereAdded) {
  ScoreCache cache(10 * kEntry);
  const std::vector<float> scores = {0.1F, -0.0F,
                                     std::numeric_limits<float>::denorm_min()};
  cache.Add("a", scores);
  const auto found = cache.Find("a");
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>((*found)[i]),
              std::bit_cast<uint32_t>(scores[i]));
  }
  EXPECT_EQ(cache.Find("b"), std::nullopt);
}

TEST(ScoreCacheTest, WhatCameFirstStays) {
  ScoreCache cache(10 * kEntry);
  cache.Add("a", {1});
  cache.Add("a", {2});
  EXPECT_THAT(cache.Find("a"), Optional(ElementsAre(1)));
  EXPECT_EQ(cache.num_bytes(), kEntry);
}

TEST(ScoreCacheTest, WhatWasNotAskedForLongestGoesFirst) {
  ScoreCache cache(3 * kEntry);
  cache.Add("a", {1});
  cache.Add("b", {2});
  cache.Add("c", {3});
  cache.Find("a");
  cache.Add("d", {4});
  EXPECT_EQ(cache.Find("b"), std::nullopt);
  EXPECT_THAT(cache.Find("a"), Optional(ElementsAre(1)));
  EXPECT_THAT(cache.Find("c"), Optional(ElementsAre(3)));
  EXPECT_THAT(cache.Find("d"), Optional(ElementsAre(4)));
}

TEST(ScoreCacheTest, HoldsAsManyBytesAsItMay) {
  ScoreCache cache(5 * kEntry);
  for (int i = 0; i < 1000; ++i) {
    cache.Add(absl::StrCat(i), std::vector<float>(i % 70, 1));
    ASSERT_LE(cache.num_bytes(), 5 * kEntry);
  }
  EXPECT_GT(cache.num_bytes(), 0u);
  // What is larger than all of it drives nothing out.
  const size_t before = cache.num_bytes();
  cache.Add("large", std::vector<float>(5 * kEntry, 1));
  EXPECT_EQ(cache.num_bytes(), before);
}

TEST(ScoreCacheTest, OfNoBytesKeepsNothing) {
  ScoreCache cache(0);
  cache.Add("a", {1});
  EXPECT_EQ(cache.Find("a"), std::nullopt);
  EXPECT_EQ(cache.num_bytes(), 0u);
}

TEST(ScoreCacheTest, ThreadsSeeWholeEntries) {
  ScoreCache cache(20 * kEntry);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache] {
      for (int i = 0; i < 2000; ++i) {
        const auto score = static_cast<float>(i % 50);
        const std::string key = absl::StrCat(i % 50);
        cache.Add(key, {score});
        const auto found = cache.Find(key);
        EXPECT_THAT(found.value_or(std::vector<float>{score}),
                    ElementsAre(score));
      }
    });
  }
}

}  // namespace
}  // namespace rlhf
