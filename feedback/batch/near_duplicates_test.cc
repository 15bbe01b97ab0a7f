#include "feedback/batch/near_duplicates.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "feedback/batch/comparison_key.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

// 30 words that depend on `seed` alone.
std::string Text(int seed) {
  std::string text;
  for (int i = 0; i < 30; ++i) {
    absl::StrAppend(&text, "word", (seed * 7919 + i * i * 31) % 9973, " ");
  }
  return text;
}

v1::Comparison Make(const std::string& question, const std::string& a,
                    const std::string& b) {
  v1::Comparison comparison;
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content(question);
  comparison.set_response_a(a);
  comparison.set_response_b(b);
  return comparison;
}

NearKey Key(const v1::Comparison& comparison) {
  return NearKeyOf(comparison, KeyOf(comparison).pair);
}

TEST(NearDuplicatesTest, AWordMoreIsANearDuplicate) {
  NearDuplicates index(1024);
  index.Add(Key(Make(Text(1), Text(2), Text(3))));
  EXPECT_TRUE(index.Has(Key(Make(Text(1), Text(2) + "indeed", Text(3)))));
}

TEST(NearDuplicatesTest, SwappedSidesAreNoDisguise) {
  NearDuplicates index(1024);
  index.Add(Key(Make(Text(1), Text(2), Text(3))));
  EXPECT_TRUE(index.Has(Key(Make(Text(1), Text(3) + "indeed", Text(2)))));
}

TEST(NearDuplicatesTest, OtherAnswersToTheSameQuestionAreFresh) {
  NearDuplicates index(1024);
  index.Add(Key(Make(Text(1), Text(2), Text(3))));
  EXPECT_FALSE(index.Has(Key(Make(Text(1), Text(4), Text(5)))));
}

TEST(NearDuplicatesTest, TheSameRefusalToAnotherQuestionIsFresh) {
  NearDuplicates index(1024);
  index.Add(Key(Make(Text(1), Text(2), Text(3))));
  EXPECT_FALSE(index.Has(Key(Make(Text(9), Text(2) + "indeed", Text(3)))));
}

TEST(NearDuplicatesTest, ThePairItselfIsForTheExactCheck) {
  NearDuplicates index(1024);
  const v1::Comparison comparison = Make(Text(1), Text(2), Text(3));
  index.Add(Key(comparison));
  EXPECT_FALSE(index.Has(Key(comparison)));
}

TEST(NearDuplicatesTest, TheNewestAreKeptWhenItIsFull) {
  NearDuplicates index(64);
  for (int i = 0; i < 200; ++i) {
    index.Add(Key(Make(Text(3 * i), Text(3 * i + 1), Text(3 * i + 2))));
  }
  EXPECT_TRUE(index.Has(Key(
      Make(Text(3 * 199), Text(3 * 199 + 1) + "indeed", Text(3 * 199 + 2)))));
  EXPECT_FALSE(index.Has(Key(Make(Text(0), Text(1) + "indeed", Text(2)))));
}

// All that 2,000 honest comparisons share is chance.
TEST(NearDuplicatesTest, UnlikeComparisonsAreNotTakenForDuplicates) {
  NearDuplicates index(4096);
  int found = 0;
  for (int i = 0; i < 2000; ++i) {
    const NearKey key =
        Key(Make(Text(3 * i), Text(3 * i + 1), Text(3 * i + 2)));
    found += index.Has(key) ? 1 : 0;
    index.Add(key);
  }
  EXPECT_EQ(found, 0);
}

}  // namespace
}  // namespace rlhf
