#include "core/comparisons/argilla.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/fixtures/comparisons/fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// "worker choice" of each comparison.
std::vector<std::string> Judgements(const RecordComparisons& record) {
  std::vector<std::string> judgements;
  for (const v1::Comparison& comparison : record.comparisons) {
    judgements.push_back(absl::StrCat(comparison.worker_id(), " ",
                                      v1::Choice_Name(comparison.choice())));
  }
  return judgements;
}

std::vector<RecordComparisons> ReadAll(const Json& records) {
  std::vector<RecordComparisons> all;
  for (const Json& json : records) {
    auto record = ReadArgillaRecord(json);
    EXPECT_OK(record);
    all.push_back(record.ok() ? *record : RecordComparisons());
  }
  return all;
}

Json LinesOf(const std::string& text) {
  Json lines = Json::array();
  for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    lines.push_back(*ParseJson(line));
  }
  return lines;
}

// A record of two answers with one response.
Json RecordWith(const std::string& question, const std::string& value) {
  return *ParseJson(absl::StrCat(
      R"({"fields": {"prompt": "q", "response_1": "x", "response_2": "y"},)",
      R"( "responses": {")", question, R"(": [{"value": )", value,
      R"(, "user_id": "u"}]}})"));
}

TEST(ReadArgillaRecordTest, NestedExportGivesOneComparisonForEachUser) {
  const auto records = ReadAll(*ParseJson(FeedbackFixture("argilla_2.json")));
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_THAT(Judgements(records[0]),
              ElementsAre("6c1d1f3e-0000-4000-8000-000000000001 B_BETTER",
                          "6c1d1f3e-0000-4000-8000-000000000002 A_BETTER"));
  const v1::Comparison& first = records[0].comparisons[0];
  EXPECT_EQ(first.prompt().messages(0).content(), "Name a prime.");
  EXPECT_EQ(first.response_a(), "Four.");
  EXPECT_EQ(first.response_b(), "Five.");
  EXPECT_EQ(first.strength(), 1);
  EXPECT_EQ(first.policy_version_a(), -1);
  EXPECT_EQ(first.comparison_id(), "rec-1");
  EXPECT_THAT(Judgements(records[1]), ElementsAre(" A_BETTER"));
  EXPECT_THAT(records[2].left_out, ElementsAre("nobody judged it"));
}

TEST(ReadArgillaRecordTest, FlatExportKeepsDraftsApart) {
  const auto records =
      ReadAll(LinesOf(FeedbackFixture("argilla_2_flat.jsonl")));
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_THAT(Judgements(records[0]),
              ElementsAre("u1 B_BETTER", "u2 TIE", "u4 SKIPPED"));
  EXPECT_THAT(records[0].left_out, ElementsAre("u3: not submitted"));
  EXPECT_THAT(records[1].comparisons, IsEmpty());
  EXPECT_THAT(records[1].left_out, ElementsAre("nobody judged it"));
}

TEST(ReadArgillaRecordTest, VersionOneHasRanksWithTies) {
  const auto records = ReadAll(LinesOf(FeedbackFixture("argilla_1.jsonl")));
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_THAT(Judgements(records[0]),
              ElementsAre("u1 B_BETTER", "u2 TIE", "u3 SKIPPED"));
  EXPECT_EQ(records[0].comparisons[0].prompt().messages(0).content(),
            "Name a prime.\n\nBelow ten.");
  // Red over two, red over three, two as good as three.
  EXPECT_THAT(Judgements(records[1]),
              ElementsAre("u1 A_BETTER", "u1 A_BETTER", "u1 TIE"));
  EXPECT_EQ(records[1].comparisons[1].response_b(), "Three.");
  EXPECT_EQ(records[1].comparisons[2].response_a(), "Two.");
}

TEST(ReadArgillaRecordTest, LabelsNameTheBetterAnswerOrSayTie) {
  struct Case {
    const char* question;
    const char* value;
    const char* expected;
  };
  for (const Case& good : {Case{"q", "\"response_2\"", "u B_BETTER"},
                           Case{"q", "\"Response 1\"", "u A_BETTER"},
                           Case{"preference", "\"b\"", "u B_BETTER"},
                           Case{"choose-best", "1", "u A_BETTER"},
                           Case{"choose-best", "2", "u B_BETTER"},
                           Case{"better", "\"neither\"", "u BOTH_BAD"}}) {
    const auto record =
        ReadArgillaRecord(RecordWith(good.question, good.value));
    ASSERT_OK(record) << good.value;
    EXPECT_THAT(Judgements(*record), ElementsAre(good.expected));
  }
}

TEST(ReadArgillaRecordTest, OtherQuestionsCompareNothing) {
  for (const char* const value :
       {"2", "\"nice\"", "[\"kind\", \"short\"]", "[\"response_1\"]", "null",
        "[{\"rank\": 1, \"value\": \"kind\"}, {\"rank\": 2, \"value\": \"x\"}]",
        "{\"start\": 1}"}) {
    const auto record = ReadArgillaRecord(RecordWith("quality", value));
    ASSERT_OK(record) << value;
    EXPECT_THAT(record->comparisons, IsEmpty()) << value;
    ASSERT_THAT(record->left_out, SizeIs(1)) << value;
    EXPECT_THAT(record->left_out[0],
                HasSubstr("u: no question compares the answers"));
  }
}

TEST(ReadArgillaRecordTest, ComparingQuestionsThatCannotBeReadAreErrors) {
  struct Case {
    const char* value;
    const char* problem;
  };
  for (const Case& bad : {
           Case{"\"the second\"", "preference: \"the second\" is no choice"},
           Case{"3", "preference: \"3\" is no choice"},
           Case{"1.5", "preference: \"1.5\" is no choice"},
           Case{"1e300", "is no choice"},
           Case{"[\"response_2\", \"response_9\"]", "response_9"},
           Case{"[\"response_2\", \"response_2\"]", "is ranked twice"},
           Case{"[{\"rank\": \"1\", \"value\": \"response_1\"},"
                " {\"rank\": 2, \"value\": \"response_2\"}]",
                "\"rank\" is \"1\""},
           Case{"[{\"rank\": 18446744073709551615, \"value\": \"response_1\"},"
                " {\"rank\": 2, \"value\": \"response_2\"}]",
                "\"rank\" is 18446744073709551615"},
           Case{"[{\"rank\": 1, \"value\": \"response_1\"},"
                " {\"value\": \"response_2\"}]",
                "some answers have a \"rank\""},
       }) {
    EXPECT_THAT(
        ReadArgillaRecord(RecordWith("preference", bad.value)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.problem)))
        << bad.value;
  }
}

TEST(ReadArgillaRecordTest, TwoRankingsOfOneUserAreRefused) {
  EXPECT_THAT(
      ReadArgillaRecord(*ParseJson(
          R"({"fields": {"prompt": "q", "response_1": "x", "response_2": "y"},)"
          R"( "responses": {"kind": [{"value": ["response_1", "response_2"],)"
          R"( "user_id": "u"}], "true": [{"value": ["response_2",)"
          R"( "response_1"], "user_id": "u"}]}})")),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("several questions rank the answers")));
}

TEST(ReadArgillaRecordTest, ManyAnswersNeedARanking) {
  const auto record = ReadArgillaRecord(*ParseJson(
      R"({"fields": {"prompt": "q", "text1": "x", "text2": "y", "text3": "z"},)"
      R"( "responses": {"best": [{"value": "text1", "user_id": "u"},)"
      R"( {"value": ["text3", "text1"], "user_id": "v"}]}})"));
  ASSERT_OK(record);
  EXPECT_THAT(record->left_out, ElementsAre("u: no ranking of the 3 answers"));
  ASSERT_THAT(Judgements(*record), ElementsAre("v B_BETTER"));
  EXPECT_EQ(record->comparisons[0].response_b(), "z");
}

TEST(ReadArgillaRecordTest, ChatFieldsAreDialoguesAndSameAnswersAreLeftOut) {
  const auto record = ReadArgillaRecord(*ParseJson(
      R"({"fields": {"prompt": [{"role": "user", "content": "a"},)"
      R"( {"role": "assistant", "content": "b"}, {"role": "user",)"
      R"( "content": "c"}], "chosen": "x", "rejected": "x"},)"
      R"( "responses": {"p": [{"value": "chosen", "user_id": "u"}]}})"));
  ASSERT_OK(record);
  EXPECT_THAT(record->left_out, ElementsAre("u: the two answers are the same"));
}

TEST(ReadArgillaRecordTest, FieldsThatAreMissingOrWrongAreNamed) {
  struct Case {
    const char* fields;
    const char* problem;
  };
  for (const Case& bad : {
           Case{"[]", "\"fields\" must be an object"},
           Case{"{}", "no prompt"},
           Case{R"({"prompt": 3, "response_1": "x", "response_2": "y"})",
                "the prompt must be a text or a list"},
           Case{R"({"prompt": "q", "response_1": "x"})", "found 1 among"},
           Case{R"({"prompt": "q", "response_1": "x", "response_2": 7})",
                "found 1 among"},
           Case{R"({"prompt": "q", "response_1": "x", "response_2": null})",
                "found 1 among"},
       }) {
    const Json record = {{"fields", *ParseJson(bad.fields)},
                         {"responses", Json::array()}};
    EXPECT_THAT(
        ReadArgillaRecord(record),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.problem)))
        << bad.fields;
  }
}

TEST(ReadArgillaRecordTest, AnUnknownStatusIsNamed) {
  EXPECT_THAT(
      ReadArgillaRecord(*ParseJson(
          R"({"fields": {"prompt": "q", "response_1": "x", "response_2": "y"},)"
          R"( "responses": [{"user_id": "u", "values": {}, "status": "?"}]})")),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("status \"?\"")));
}

TEST(ReadArgillaRecordTest, NulInATextIsKept) {
  const auto record = ReadArgillaRecord(*ParseJson(
      R"({"fields": {"prompt": "q", "response_1": "x\u0000y",)"
      R"( "response_2": "x"}, "responses": {"p": [{"value": "response_1",)"
      R"( "user_id": "u"}]}})"));
  ASSERT_OK(record);
  EXPECT_EQ(record->comparisons.at(0).response_a(), std::string("x\0y", 3));
}

}  // namespace
}  // namespace rlhf
