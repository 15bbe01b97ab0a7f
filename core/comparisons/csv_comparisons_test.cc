#include "core/comparisons/csv_comparisons.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Fields = std::vector<std::string>;

const Fields kMturk = {"HITId",
                       "AssignmentId",
                       "WorkerId",
                       "AssignmentStatus",
                       "WorkTimeInSeconds",
                       "Input.prompt",
                       "Input.response_a",
                       "Input.response_b",
                       "Answer.choice"};
const Fields kProlific = {"prompt", "response_a",     "response_b",
                          "choice", "participant_id", "time_taken"};

absl::StatusOr<v1::Comparison> Read(const Fields& header,
                                    const Fields& fields) {
  const auto columns = FindComparisonColumns(header);
  EXPECT_OK(columns);
  if (!columns.ok()) return columns.status();
  return ReadCsvComparison(*columns, fields);
}

TEST(ReadCsvComparisonTest, MechanicalTurkColumnsAreFound) {
  const auto comparison =
      Read(kMturk, {"3H1", "3A1", "AW1", "Approved", "31", "q", "x", "y", "B"});
  ASSERT_OK(comparison);
  EXPECT_EQ(comparison->prompt().messages(0).content(), "q");
  EXPECT_EQ(comparison->response_a(), "x");
  EXPECT_EQ(comparison->response_b(), "y");
  EXPECT_EQ(comparison->choice(), v1::B_BETTER);
  EXPECT_EQ(comparison->worker_id(), "AW1");
  EXPECT_EQ(comparison->worker_seconds(), 31);
  EXPECT_EQ(comparison->comparison_id(), "3A1");
  EXPECT_EQ(comparison->policy_version_b(), -1);
}

TEST(ReadCsvComparisonTest, AnAnnotatorIsTheWorkerUnlessOneIsNamed) {
  const Fields header = {"prompt", "response_a", "response_b", "choice",
                         "annotator"};
  auto comparison = Read(header, {"q", "x", "y", "a", "ann"});
  ASSERT_OK(comparison);
  EXPECT_EQ(comparison->worker_id(), "ann");
  Fields with_both = header;
  with_both.push_back("WorkerId");
  comparison = Read(with_both, {"q", "x", "y", "a", "ann", "AW1"});
  ASSERT_OK(comparison);
  EXPECT_EQ(comparison->worker_id(), "AW1");
}

TEST(ReadCsvComparisonTest, ProlificColumnsAreFoundInAnyOrderAndSpelling) {
  const auto comparison = Read(
      {"Time taken", "Choice", "RESPONSE-B", "Response A", "Prompt",
       "Participant id", "Submission id", "Status", "Age"},
      {"3.5", "a++", "y", "x", "q", " p1 ", "s1", "AWAITING REVIEW", "40"});
  ASSERT_OK(comparison);
  EXPECT_EQ(comparison->response_a(), "x");
  EXPECT_EQ(comparison->choice(), v1::A_BETTER);
  EXPECT_EQ(comparison->strength(), 2);
  EXPECT_EQ(comparison->worker_id(), "p1");
  EXPECT_EQ(comparison->worker_seconds(), 3.5);
  EXPECT_EQ(comparison->comparison_id(), "s1");
}

TEST(ReadCsvComparisonTest, TheNameOfAResponseIsAChoiceToo) {
  const Fields header = {"question", "answer 2", "answer 1", "preference"};
  EXPECT_EQ(Read(header, {"q", "y", "x", "answer_2"})->choice(), v1::B_BETTER);
  EXPECT_EQ(Read(header, {"q", "y", "x", "1"})->choice(), v1::A_BETTER);
  EXPECT_EQ(Read(header, {"q", "y", "x", "tie"})->choice(), v1::TIE);
  EXPECT_EQ(Read(header, {"q", "y", "x", "skip"})->choice(), v1::SKIPPED);
}

TEST(ReadCsvComparisonTest, DialoguesArePromptsOfSeveralMessages) {
  const auto comparison = Read(
      kProlific,
      {"\n\nHuman: a\n\nAssistant: b\n\nHuman: c", "x", "y", "A", "p", ""});
  ASSERT_OK(comparison);
  EXPECT_EQ(comparison->prompt().messages_size(), 3);
  EXPECT_EQ(comparison->worker_seconds(), 0);
}

TEST(ReadCsvComparisonTest, AnswersThatWereNotTakenAreLeftOut) {
  const auto refusal = [](const std::string& status) {
    return Read(kMturk, {"3H1", "3A1", "AW1", status, "31", "q", "x", "y", "A"})
        .status();
  };
  EXPECT_OK(refusal("Submitted"));
  EXPECT_OK(refusal(""));
  for (const char* const status : {"Rejected", "RETURNED", "TIMED-OUT"}) {
    EXPECT_THAT(refusal(status), StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("the answer was")))
        << status;
  }
  EXPECT_THAT(Read(kProlific, {"q", "x", "y", " ", "p", "1"}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no choice was made")));
  EXPECT_THAT(Read(kProlific, {"q", "x", "x", "A", "p", "1"}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("are the same")));
}

TEST(ReadCsvComparisonTest, MalformedFieldsAreNamed) {
  struct Case {
    Fields fields;
    const char* problem;
  };
  for (const Case& bad : {
           Case{{"q", "x", "y", "maybe", "p", "1"}, "\"maybe\" is no choice"},
           Case{{"q", "x", "y", "left", "p", "1"}, "\"left\" is no choice"},
           Case{{"q", "x", "y", "0", "p", "1"}, "\"0\" is no choice"},
           Case{{"q", "x", "y", "A", "p", "00:31"},
                "the time is \"00:31\"; wanted seconds"},
           Case{{"q", "x", "y", "A", "p", "-3"}, "the time is -3"},
           Case{{"q", "x", "y", "A", "p", "1e999"}, "the time is"},
           Case{{"q", "x", "y", "A", "p", "nan"}, "the time is"},
           Case{{"q", "x", "y", "A", "p"}, "5 fields, but there are 6 columns"},
           Case{{"q", "x", "y", "A", "p", "1", ""}, "7 fields"},
       }) {
    EXPECT_THAT(
        Read(kProlific, bad.fields),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.problem)))
        << bad.problem;
  }
}

TEST(FindComparisonColumnsTest, MissingColumnsAreNamedWithTheFoundOnes) {
  struct Case {
    Fields header;
    const char* wanted;
    const char* found;
  };
  for (const Case& bad : {
           Case{{"response_a", "response_b", "choice"},
                "no prompt; wanted one of prompt",
                "found response_a, response_b, choice"},
           Case{{"prompt", "response_a", "choice"},
                "named like response_a and response_b; found 1",
                "prompt, response_a, choice"},
           Case{{"prompt", "response_a", "response_b", "Answer.text"},
                "no choice; wanted choice or preference",
                "found prompt, response_a, response_b, text"},
           Case{{"prompt;response_a;response_b;choice"},
                "one column, \"prompt;response_a;response_b;choice\"",
                "wanted commas"},
           Case{{"Answer.prompt", "Input.response_a", "Input.response_b",
                 "Answer.choice"},
                "no prompt",
                "found response_a, response_b"},
           Case{{"prompt", "response_a", "response_b", "response_c", "choice"},
                "3 columns with responses",
                "wanted two"},
       }) {
    EXPECT_THAT(FindComparisonColumns(bad.header),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(bad.wanted), HasSubstr(bad.found))))
        << bad.wanted;
  }
}

TEST(FindComparisonColumnsTest, ColumnsThatAreThereTwiceAreRefused) {
  EXPECT_THAT(FindComparisonColumns({"prompt", "response_a", "response_b",
                                     "choice", "Preference"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("columns 4 and 5 are both choice or "
                                 "preference")));
  EXPECT_THAT(
      FindComparisonColumns(
          {"prompt", "response_a", "response_a", "response_b", "choice"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("are answer 1")));
}

}  // namespace
}  // namespace rlhf
