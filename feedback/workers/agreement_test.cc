#include "feedback/workers/agreement.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Two raters on 50 items: 20 times both yes, 15 times both no, 5 times only a,
// 10 times only b. Equal 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
TEST(CohenKappaTest, MatchesTheTextbookExample) {
  std::vector<int> a, b;
  const auto add = [&](int count, int value_a, int value_b) {
    a.insert(a.end(), count, value_a);
    b.insert(b.end(), count, value_b);
  };
  add(20, 1, 1);
  add(5, 1, 0);
  add(10, 0, 1);
  add(15, 0, 0);
  EXPECT_NEAR(*CohenKappa(a, b), 0.4, 1e-12);
}

TEST(CohenKappaTest, SaysNothingWhereChanceExplainsAll) {
  EXPECT_FALSE(CohenKappa({}, {}).has_value());
  EXPECT_FALSE(CohenKappa({3, 3}, {3, 3}).has_value());
  EXPECT_NEAR(*CohenKappa({1, 2}, {2, 1}), -1, 1e-12);
}

// The worked example of Fleiss' kappa that textbooks use: 14 raters put 10
// subjects into 5 categories; kappa = 0.210 (observed 0.378, by chance 0.213).
TEST(FleissKappaTest, MatchesThePublishedExample) {
  const int table[10][5] = {{0, 0, 0, 0, 14}, {0, 2, 6, 4, 2}, {0, 0, 3, 5, 6},
                            {0, 3, 9, 2, 0},  {2, 2, 8, 1, 1}, {7, 7, 0, 0, 0},
                            {3, 2, 6, 3, 0},  {2, 5, 3, 2, 2}, {6, 5, 2, 1, 0},
                            {0, 2, 2, 3, 7}};
  Coincidences coincidences(5);
  for (const auto& row : table) {
    std::vector<int> values;
    for (int value = 0; value < 5; ++value) {
      values.insert(values.end(), row[value], value);
    }
    coincidences.Add(values);
  }
  EXPECT_NEAR(*coincidences.FleissKappa(), 0.210, 0.0005);
  EXPECT_EQ(coincidences.num_pairs(), 10 * 14 * 13 / 2);
}

// Krippendorff 2011, section C: four observers, twelve units, missing values;
// nominal 0.743, ordinal 0.815.
std::vector<std::vector<int>> PublishedUnits() {
  return {{1, 1, 1},    {2, 2, 3, 2}, {3, 3, 3, 3}, {3, 3, 3, 3},
          {2, 2, 2, 2}, {1, 2, 3, 4}, {4, 4, 4, 4}, {1, 1, 2, 1},
          {2, 2, 2, 2}, {5, 5, 5},    {1, 1},       {3}};
}

TEST(KrippendorffAlphaTest, MatchesThePublishedExampleWithMissingValues) {
  Coincidences coincidences(6);
  for (const auto& unit : PublishedUnits()) coincidences.Add(unit);
  EXPECT_NEAR(*coincidences.Alpha(Scale::kNominal), 0.743, 0.0005);
  EXPECT_NEAR(*coincidences.Alpha(Scale::kOrdinal), 0.815, 0.0005);
}

TEST(KrippendorffAlphaTest, NothingIsSaidWithoutPairsOrWithOneValueOnly) {
  Coincidences coincidences(3);
  coincidences.Add({1});
  EXPECT_FALSE(coincidences.Alpha(Scale::kNominal).has_value());
  EXPECT_FALSE(coincidences.FleissKappa().has_value());
  coincidences.Add({1, 1});
  EXPECT_FALSE(coincidences.Alpha(Scale::kOrdinal).has_value());
  EXPECT_FALSE(coincidences.FleissKappa().has_value());
}

TEST(CoincidencesTest, WhatIsRemovedLeavesNoTrace) {
  Coincidences coincidences(6);
  for (const auto& unit : PublishedUnits()) coincidences.Add(unit);
  coincidences.Add({0, 5, 2});
  coincidences.Remove({0, 5, 2});
  EXPECT_NEAR(*coincidences.Alpha(Scale::kOrdinal), 0.815, 0.0005);
}

// Independent coins agree as chance does, whatever the number of raters.
TEST(CoincidencesTest, ChanceIsZero) {
  std::mt19937 random(3);
  Coincidences coincidences(2);
  for (int item = 0; item < 5000; ++item) {
    std::vector<int> values(2 + random() % 3);
    std::generate(values.begin(), values.end(), [&] { return random() % 2; });
    coincidences.Add(values);
  }
  EXPECT_NEAR(*coincidences.FleissKappa(), 0, 0.03);
  EXPECT_NEAR(*coincidences.Alpha(Scale::kNominal), 0, 0.03);
}

}  // namespace
}  // namespace rlhf
