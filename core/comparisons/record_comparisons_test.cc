#include "core/comparisons/record_comparisons.h"

#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> NamesOf(const std::vector<std::string>& names) {
  std::vector<std::string> found;
  const auto answers = FindAnswerNames(names);
  EXPECT_OK(answers);
  if (!answers.ok()) return found;
  for (const AnswerName& answer : *answers) found.push_back(answer.name);
  return found;
}

std::string RefusalOf(const std::vector<std::string>& names) {
  const auto answers = FindAnswerNames(names);
  EXPECT_EQ(answers.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(answers.status().message());
}

TEST(ParseVerdictTest, EachWordIsAChoiceWithItsStrength) {
  struct Case {
    const char* word;
    v1::Choice choice;
    int strength;
  };
  for (const Case& expected : std::vector<Case>{
           {"A", v1::A_BETTER, 1},
           {" b\n", v1::B_BETTER, 1},
           {"A+", v1::A_BETTER, 1},
           {"a++", v1::A_BETTER, 2},
           {"B+++", v1::B_BETTER, 3},
           {"a_better", v1::A_BETTER, 1},
           {"B_BETTER", v1::B_BETTER, 1},
           {"A is better.", v1::A_BETTER, 1},
           {"Tie", v1::TIE, 0},
           {"equal", v1::TIE, 0},
           {"both-bad", v1::BOTH_BAD, 0},
           {"neither", v1::BOTH_BAD, 0},
           {"Skip", v1::SKIPPED, 0},
           {"SKIPPED", v1::SKIPPED, 0},
       }) {
    const auto verdict = ParseVerdict(expected.word);
    ASSERT_OK(verdict) << expected.word;
    EXPECT_EQ(verdict->choice, expected.choice) << expected.word;
    EXPECT_EQ(verdict->strength, expected.strength) << expected.word;
  }
}

TEST(ParseVerdictTest, AnUnknownWordIsNamedWithTheKnownOnes) {
  for (const char* const word : {"", "left", "1", "a++++", "ab", "yes"}) {
    EXPECT_THAT(ParseVerdict(word),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(Quoted(word)),
                               HasSubstr("is no choice; wanted a, a+"))))
        << word;
  }
  EXPECT_THAT(ParseVerdict(std::string(5000, 'x')).status().message().size(),
              testing::Lt(300u));
}

TEST(FindAnswerNamesTest, AnswersComeInOrderOfTheirNumbers) {
  EXPECT_THAT(NamesOf({"prompt", "response_b", "response_a"}),
              ElementsAre("response_a", "response_b"));
  EXPECT_THAT(NamesOf({"answer10", "answer2", "Answer 1"}),
              ElementsAre("Answer 1", "answer2", "answer10"));
  EXPECT_THAT(NamesOf({"generation-1", "generation-0", "generations"}),
              ElementsAre("generation-0", "generation-1"));
  EXPECT_THAT(NamesOf({"rejected", "question", "chosen"}),
              ElementsAre("chosen", "rejected"));
}

TEST(FindAnswerNamesTest, WhatIsNoAnswerIsNotTakenForOne) {
  EXPECT_THAT(RefusalOf({"response_id", "answers", "text", "response_1"}),
              AllOf(HasSubstr("named like response_a and response_b; found 1"),
                    HasSubstr("response_id, answers, text, response_1")));
  EXPECT_THAT(RefusalOf({}), HasSubstr("found 0 among nothing"));
  EXPECT_THAT(RefusalOf({"response_1", "response_99999999999999999999"}),
              HasSubstr("found 1"));
}

TEST(FindAnswerNamesTest, TwoOfOneNumberAndTooManyAreRefused) {
  EXPECT_THAT(RefusalOf({"response_a", "response_1", "response_2"}),
              HasSubstr("both \"response_a\" and \"response_1\" are answer 1"));
  std::vector<std::string> many;
  for (int i = 0; i < 17; ++i) many.push_back("text" + std::to_string(i));
  EXPECT_THAT(RefusalOf(many), HasSubstr("found 17"));
}

TEST(FindPromptNameTest, PromptGoesBeforeOtherNames) {
  EXPECT_THAT(FindPromptName({"question", "Prompt"}), IsOkAndHolds("Prompt"));
  EXPECT_THAT(FindPromptName({"input", "instruction"}),
              IsOkAndHolds("instruction"));
  EXPECT_THAT(FindPromptName({"query", "", "id"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("no prompt; wanted one of prompt"),
                             HasSubstr("found query, id"))));
}

TEST(PromptFromTextTest, ATextIsOneMessageAndADialogueIsSeveral) {
  const v1::Prompt text = PromptFromText("Human: hi");
  ASSERT_EQ(text.messages_size(), 1);
  EXPECT_EQ(text.messages(0).role(), "user");
  EXPECT_EQ(text.messages(0).content(), "Human: hi");

  const v1::Prompt dialogue =
      PromptFromText("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:");
  ASSERT_EQ(dialogue.messages_size(), 3);
  EXPECT_EQ(dialogue.messages(1).role(), "assistant");
  EXPECT_EQ(dialogue.messages(2).content(), "c");
}

TEST(PromptFromJsonTest, TextsAndMessagesAreReadAndOthersRefused) {
  EXPECT_EQ(PromptFromJson(Json("hi"))->messages(0).content(), "hi");
  const auto chat = PromptFromJson(
      *ParseJson(R"([{"role": "system", "content": "s"}, {"role": "user",)"
                 R"( "content": "u"}])"));
  ASSERT_OK(chat);
  EXPECT_EQ(chat->messages(1).content(), "u");
  for (const char* const json :
       {"3", "null", "{}", "[]", "[3]", R"([{"role": "user"}])",
        R"([{"role": "robot", "content": "x"}])"}) {
    EXPECT_EQ(PromptFromJson(*ParseJson(json)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << json;
  }
}

TEST(MakeComparisonTest, PoliciesAreUnknownAndSameAnswersAreNoComparison) {
  const v1::Prompt prompt = PromptFromText("q");
  const auto comparison = MakeComparison(prompt, "x", "y", {v1::B_BETTER, 2});
  ASSERT_OK(comparison);
  EXPECT_EQ(comparison->response_b(), "y");
  EXPECT_EQ(comparison->choice(), v1::B_BETTER);
  EXPECT_EQ(comparison->strength(), 2);
  EXPECT_EQ(comparison->policy_version_a(), -1);
  EXPECT_EQ(comparison->policy_version_b(), -1);
  EXPECT_THAT(MakeComparison(prompt, "x", "x", {v1::TIE, 0}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("are the same")));
}

class VerdictOfLabelsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Verdict> Read(const std::vector<Label>& labels) {
    return VerdictOfLabels(labels, {"answer_1", 1}, {"answer_2", 2});
  }
  v1::Choice ChoiceOf(const std::vector<Label>& labels) {
    const auto verdict = Read(labels);
    EXPECT_OK(verdict);
    return verdict.ok() ? verdict->choice : v1::CHOICE_UNSPECIFIED;
  }
};

TEST_F(VerdictOfLabelsTest, AnAnswersNameSaysWhichIsBetterUnderAnyQuestion) {
  EXPECT_EQ(ChoiceOf({{"q", "Answer 2"}}), v1::B_BETTER);
  EXPECT_EQ(ChoiceOf({{"tone", "polite"}, {"q", "answer_1"}}), v1::A_BETTER);
}

TEST_F(VerdictOfLabelsTest, NumbersAndWordsNeedAQuestionThatCompares) {
  EXPECT_EQ(ChoiceOf({{"choose-best", "2"}}), v1::B_BETTER);
  EXPECT_EQ(ChoiceOf({{"Preference", "Response 1"}}), v1::A_BETTER);
  EXPECT_EQ(ChoiceOf({{"winner", "tie"}, {"stars", "2"}}), v1::TIE);
  EXPECT_THAT(Read({{"stars", "2"}, {"note", "tie"}}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no question compares the answers; found "
                                 "stars, note")));
  EXPECT_THAT(Read({}), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("found nothing")));
}

TEST_F(VerdictOfLabelsTest, WhatCannotBeReadIsAnErrorUnlessAnotherDecides) {
  EXPECT_THAT(Read({{"preference", "maybe"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("preference: \"maybe\" is no choice"),
                             HasSubstr("answer_1, answer_2"))));
  EXPECT_THAT(Read({{"preference", "3"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"3\"")));
  EXPECT_EQ(ChoiceOf({{"preference", "a"}, {"preference_reason", "short"}}),
            v1::A_BETTER);
}

TEST_F(VerdictOfLabelsTest, TwoQuestionsThatCompareAreRefused) {
  EXPECT_THAT(Read({{"better", "a"}, {"safer", "answer_2"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("several questions compare the answers: "
                                 "better, safer")));
}

TEST(CheckSecondsTest, OnlyTimesThatCanBeAreTaken) {
  EXPECT_THAT(CheckSeconds(0, "x"), IsOkAndHolds(0.0));
  EXPECT_THAT(CheckSeconds(1e9, "x"), IsOkAndHolds(1e9));
  for (const double seconds :
       {-0.1, 1.1e9, std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT(CheckSeconds(seconds, "\"lead_time\""),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("\"lead_time\" is ")));
  }
}

TEST(AddJudgementTest, LeftOutsAreCollectedAndOtherErrorsPassedOn) {
  RecordComparisons record;
  EXPECT_OK(AddJudgement(v1::Comparison(), "ada", record));
  EXPECT_OK(AddJudgement(absl::FailedPreconditionError("same"), "ada", record));
  EXPECT_OK(AddJudgement(absl::FailedPreconditionError("same"), "", record));
  EXPECT_THAT(
      AddJudgement(absl::InvalidArgumentError("bad"), "ada", record),
      StatusIs(absl::StatusCode::kInvalidArgument, testing::StrEq("ada: bad")));
  EXPECT_EQ(record.comparisons.size(), 1);
  EXPECT_THAT(record.left_out, ElementsAre("ada: same", "same"));
}

}  // namespace
}  // namespace rlhf
