#include "feedback/batch/comparison_index.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::Comparison Make(int number, const std::string& worker, v1::Choice choice) {
  v1::Comparison comparison;
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content(absl::StrCat("question ", number));
  comparison.set_response_a(absl::StrCat("first answer to ", number));
  comparison.set_response_b(absl::StrCat("second answer to ", number));
  comparison.set_worker_id(worker);
  comparison.set_choice(choice);
  return comparison;
}

void Add(const v1::Comparison& comparison, ComparisonIndex& index) {
  const ComparisonKey key = KeyOf(comparison);
  index.Add(key, NearKeyOf(comparison, key.pair));
}

TEST(ComparisonIndexTest, KnowsWhatItWasGiven) {
  ComparisonIndex index(10);
  Add(Make(1, "ada", v1::A_BETTER), index);
  EXPECT_TRUE(index.HasAnswer(KeyOf(Make(1, "ada", v1::A_BETTER))));
  EXPECT_FALSE(index.HasAnswer(KeyOf(Make(1, "ada", v1::B_BETTER))));
  EXPECT_FALSE(index.HasAnswer(KeyOf(Make(2, "ada", v1::A_BETTER))));
}

TEST(ComparisonIndexTest, VotesOfNamedWorkersStandByPair) {
  ComparisonIndex index(10);
  Add(Make(1, "ada", v1::A_BETTER), index);
  Add(Make(1, "bob", v1::B_BETTER), index);
  Add(Make(1, "cem", v1::TIE), index);
  Add(Make(1, "import:file", v1::A_BETTER), index);
  const uint64_t pair = KeyOf(Make(1, "", v1::TIE)).pair;
  ASSERT_EQ(index.VotesOn(pair).size(), 2u);
  EXPECT_EQ(index.VotesOn(pair)[0].vote, -index.VotesOn(pair)[1].vote);
  EXPECT_TRUE(index.VotesOn(pair + 1).empty());
}

TEST(ComparisonIndexTest, TheOldestIsForgottenWhenItIsFull) {
  ComparisonIndex index(2);
  for (const int number : {1, 2, 3}) {
    Add(Make(number, "ada", v1::A_BETTER), index);
  }
  EXPECT_EQ(index.size(), 2u);
  EXPECT_FALSE(index.HasAnswer(KeyOf(Make(1, "ada", v1::A_BETTER))));
  EXPECT_TRUE(index.VotesOn(KeyOf(Make(1, "", v1::TIE)).pair).empty());
  EXPECT_TRUE(index.HasAnswer(KeyOf(Make(3, "ada", v1::A_BETTER))));
}

TEST(ComparisonIndexTest, WhatStandsTwiceIsForgottenTwice) {
  ComparisonIndex index(2);
  Add(Make(1, "ada", v1::A_BETTER), index);
  Add(Make(1, "ada", v1::A_BETTER), index);
  Add(Make(2, "ada", v1::A_BETTER), index);
  EXPECT_TRUE(index.HasAnswer(KeyOf(Make(1, "ada", v1::A_BETTER))));
  Add(Make(3, "ada", v1::A_BETTER), index);
  EXPECT_FALSE(index.HasAnswer(KeyOf(Make(1, "ada", v1::A_BETTER))));
}

}  // namespace
}  // namespace rlhf
