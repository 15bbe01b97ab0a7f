#include "feedback/batch/comparison_key.h"

#include <utility>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::Comparison Make(const std::string& a, const std::string& b,
                    v1::Choice choice, const std::string& worker) {
  v1::Comparison comparison;
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content("2+2?");
  comparison.set_response_a(a);
  comparison.set_response_b(b);
  comparison.set_choice(choice);
  comparison.set_worker_id(worker);
  return comparison;
}

TEST(ComparisonKeyTest, SidesDoNotMatter) {
  const ComparisonKey one = KeyOf(Make("4", "5", v1::A_BETTER, "ada"));
  const ComparisonKey other = KeyOf(Make("5", "4", v1::B_BETTER, "ada"));
  EXPECT_EQ(one.pair, other.pair);
  EXPECT_EQ(one.answer, other.answer);
  EXPECT_EQ(one.vote, other.vote);
}

TEST(ComparisonKeyTest, AnotherChoiceIsAnotherAnswerToTheSamePair) {
  const ComparisonKey one = KeyOf(Make("4", "5", v1::A_BETTER, "ada"));
  for (const v1::Choice choice : {v1::B_BETTER, v1::TIE, v1::SKIPPED}) {
    const ComparisonKey other = KeyOf(Make("4", "5", choice, "ada"));
    EXPECT_EQ(one.pair, other.pair);
    EXPECT_NE(one.answer, other.answer);
    EXPECT_NE(one.vote, other.vote);
  }
}

TEST(ComparisonKeyTest, TwoWorkersWhoAgreeAreNoDuplicates) {
  EXPECT_NE(KeyOf(Make("4", "5", v1::A_BETTER, "ada")).answer,
            KeyOf(Make("4", "5", v1::A_BETTER, "bob")).answer);
}

TEST(ComparisonKeyTest, AFileNameIsNoWorker) {
  const v1::Comparison one = Make("4", "5", v1::A_BETTER, "import:a.jsonl");
  const v1::Comparison other = Make("4", "5", v1::A_BETTER, "import:b.jsonl");
  EXPECT_FALSE(HasWorker(one));
  EXPECT_EQ(KeyOf(one).worker, 0u);
  EXPECT_EQ(KeyOf(one).answer, KeyOf(other).answer);
}

TEST(ComparisonKeyTest, ResponsesDoNotRunIntoOneAnother) {
  EXPECT_NE(KeyOf(Make("ab", "c", v1::TIE, "")).pair,
            KeyOf(Make("a", "bc", v1::TIE, "")).pair);
}

}  // namespace
}  // namespace rlhf
