#include "cli/report/people_tally.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;

class PeopleTallyTest : public testing::Test {
 protected:
  // Of versions a and b, at the minute so many after the first.
  void Add(int64_t a, int64_t b, v1::Choice choice, const std::string& prompt,
           int64_t minute = 0) {
    v1::Comparison comparison;
    comparison.set_seq(++seq_);
    comparison.set_policy_version_a(a);
    comparison.set_policy_version_b(b);
    comparison.set_choice(choice);
    comparison.mutable_prompt()->set_prompt_id(prompt);
    comparison.set_worker_id("ada");
    comparison.set_source("page");
    comparison.set_committed_unix_ms(minute * 60'000 + 59'999);
    tally_.Add(comparison);
  }

  int64_t seq_ = 0;
  PeopleTally tally_ = *PeopleTally::Create(v1::WorkerTestConfig(), {});
};

TEST_F(PeopleTallyTest, CountsChoicesAndMinutes) {
  Add(0, 0, v1::TIE, "p", 7);
  Add(0, 0, v1::TIE, "q", 7);
  Add(0, 3, v1::A_BETTER, "r", 9);
  Add(0, 0, v1::RETRACTED, "", 9);
  const People people = tally_.Finish();
  EXPECT_EQ(people.num_comparisons, 4);
  EXPECT_THAT(people.choices,
              ElementsAre(Pair(v1::A_BETTER, 1), Pair(v1::TIE, 2)));
  EXPECT_THAT(people.per_minute, ElementsAre(Pair(7, 2), Pair(9, 2)));
  ASSERT_THAT(people.workers, SizeIs(1));
  EXPECT_FALSE(people.workers[0].word.paused);
}

TEST_F(PeopleTallyTest, KeepsTheDecidedComparisonsFurthestApartOneOfAPrompt) {
  Add(0, 2, v1::A_BETTER, "p");
  Add(9, 1, v1::A_BETTER, "p");
  Add(0, 9, v1::TIE, "tie");
  Add(4, 4, v1::A_BETTER, "one version");
  for (int i = 1; i <= 5; ++i) Add(0, i, v1::B_BETTER, absl::StrCat("q", i));
  const People people = tally_.Finish();
  std::vector<std::string> prompts;
  for (const v1::Comparison& one : people.furthest) {
    prompts.push_back(one.prompt().prompt_id());
  }
  EXPECT_THAT(prompts, ElementsAre("p", "q5", "q4", "q3"));
  EXPECT_EQ(people.furthest[0].policy_version_a(), 9);
}

TEST_F(PeopleTallyTest, RatesFromTheOldestVersionThatPlayed) {
  for (int i = 0; i < 3; ++i) Add(2, 5, v1::B_BETTER, "p");
  Add(2, 5, v1::A_BETTER, "p");
  const People people = tally_.Finish();
  ASSERT_OK(people.elo.status());
  EXPECT_EQ(people.elo->zero_version, 2);
  EXPECT_THAT(people.elo->versions, ElementsAre(2, 5));
}

TEST_F(PeopleTallyTest, TooManyVersionsAreLeftToTheVerb) {
  for (int i = 1; i <= 200; ++i) Add(0, i, v1::B_BETTER, "p");
  EXPECT_THAT(tally_.Finish().elo,
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("use `rlhf elo`")));
}

TEST(PeopleTallyWordsTest, TellsWhomAPersonPaused) {
  PeopleTally tally = *PeopleTally::Create(
      v1::WorkerTestConfig(), {{"ada", {.paused = true, .by = "ann"}}});
  v1::Comparison comparison;
  comparison.set_worker_id("ada");
  comparison.set_source("page");
  comparison.set_choice(v1::TIE);
  tally.Add(comparison);
  EXPECT_EQ(tally.Finish().workers.at(0).word.by, "ann");
}

}  // namespace
}  // namespace rlhf
