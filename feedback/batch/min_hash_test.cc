#include "feedback/batch/min_hash.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

std::vector<uint32_t> Shingles(const std::string& text) {
  std::vector<uint32_t> shingles;
  AddShingles(text, shingles);
  return shingles;
}

// `count` words "w<first>", "w<first+1>", ….
std::string Words(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i)
    absl::StrAppend(&text, "w", i, " ");
  return text;
}

double Similarity(const std::string& a, const std::string& b) {
  return EstimatedSimilarity(Shortened(MinHash(Shingles(a))),
                             Shortened(MinHash(Shingles(b))));
}

TEST(MinHashTest, EveryThreeWordsInARowAreAShingle) {
  EXPECT_EQ(Shingles("one two three four").size(), 2u);
  EXPECT_EQ(Shingles("one two").size(), 1u);
  EXPECT_EQ(Shingles("?!").size(), 0u);
}

TEST(MinHashTest, CaseAndPunctuationDoNotMatter) {
  EXPECT_EQ(Shingles("One, two: THREE!"), Shingles("one two three"));
}

TEST(MinHashTest, ScriptsWithoutSpacesHaveWords) {
  EXPECT_EQ(Shingles("你好世界").size(), 2u);
}

TEST(MinHashTest, TheSameTextIsWhollySimilarAndAnotherNotAtAll) {
  EXPECT_EQ(Similarity(Words(0, 100), Words(0, 100)), 1);
  EXPECT_LT(Similarity(Words(0, 100), Words(500, 100)), 0.1);
}

// 1,000 words each, 500 in common: 498 of 1,498 shingles are shared, 0.332.
TEST(MinHashTest, TheEstimateIsNearTheJaccardSimilarity) {
  EXPECT_NEAR(Similarity(Words(0, 1000), Words(500, 1000)), 0.332, 0.19);
}

TEST(MinHashTest, BrokenUtf8IsNoEndlessLoop) {
  EXPECT_EQ(Shingles("\xff\xfe\x80").size(), 1u);
}

}  // namespace
}  // namespace rlhf
