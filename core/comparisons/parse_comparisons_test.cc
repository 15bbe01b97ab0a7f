#include "core/comparisons/parse_comparisons.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "gtest/gtest.h"
#include "tests/fixtures/comparisons/fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kPair[] =
    R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})";
constexpr char kHeader[] = "prompt,response_a,response_b,choice\n";

ParsedComparisons ParseFixture(const std::string& name) {
  const auto parsed = ParseComparisons(FeedbackFixture(name), name);
  EXPECT_OK(parsed) << name;
  return parsed.ok() ? *parsed : ParsedComparisons();
}

// "worker choice" of each comparison.
std::vector<std::string> Judgements(const ParsedComparisons& parsed) {
  std::vector<std::string> judgements;
  for (const v1::Comparison& comparison : parsed.comparisons) {
    judgements.push_back(absl::StrCat(comparison.worker_id(), " ",
                                      v1::Choice_Name(comparison.choice())));
  }
  return judgements;
}

TEST(ParseComparisonsTest, PairBecomesAComparisonOfUnknownPolicies) {
  ASSERT_OK_AND_ASSIGN(
      const ParsedComparisons file,
      ParseComparisons(std::string(kPair) + "\n\n", "b.jsonl"));
  const auto& parsed = file.comparisons;
  ASSERT_THAT(parsed, SizeIs(1));
  EXPECT_EQ(parsed[0].prompt().messages(0).content(), "2+2?");
  EXPECT_EQ(parsed[0].response_a(), "4");
  EXPECT_EQ(parsed[0].response_b(), "5");
  EXPECT_EQ(parsed[0].choice(), v1::A_BETTER);
  EXPECT_EQ(parsed[0].strength(), 1);
  EXPECT_EQ(parsed[0].policy_version_a(), -1);
  EXPECT_EQ(parsed[0].source(), "import:b.jsonl");
  EXPECT_THAT(parsed[0].comparison_id(), HasSubstr("import-"));
}

TEST(ParseComparisonsTest, ACopyUnderAnotherNameIsTheSameComparison) {
  ASSERT_OK_AND_ASSIGN(const auto one, ParseComparisons(kPair, "b.jsonl"));
  ASSERT_OK_AND_ASSIGN(const auto other, ParseComparisons(kPair, "copy.jsonl"));
  EXPECT_EQ(one.comparisons[0].comparison_id(),
            other.comparisons[0].comparison_id());
  EXPECT_NE(one.comparisons[0].source(), other.comparisons[0].source());
}

TEST(ParseComparisonsTest, EachBadLineIsNamedWithItsProblem) {
  const std::string text = absl::StrCat(
      kPair, "\n{\"prompt\": \n", kPair, "\n",
      R"({"prompt": "2+2?", "chosen": "4", "rejected": "4"})", "\n",
      R"({"prompt": {"messages": [{"role": "user"}]}, "response_a": "x",)"
      R"( "choice": "TIE", "strength": 2})",
      "\n", R"({"response_a": "x", "colour": "red"})", "\n[1]\n",
      R"({"prompt": [{"role": "robot", "content": "?"}, )"
      R"({"role": "user", "content": "2+2?"}], )"
      R"("chosen": "4", "rejected": "5"})",
      "\n",
      R"({"prompt": {"messages": [{"role": "assistant", "content": "Hi"}]},)"
      R"( "response_a": "x", "choice": "TIE"})",
      "\n");
  EXPECT_THAT(
      ParseComparisons(text, "b.jsonl"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("b.jsonl:2: "), Not(HasSubstr("b.jsonl:3")),
                     Not(HasSubstr("b.jsonl:4")),
                     HasSubstr("b.jsonl:5: \"strength\" is 2"),
                     HasSubstr("b.jsonl:6: "), HasSubstr("colour"),
                     HasSubstr("b.jsonl:7: the line is no JSON object"),
                     HasSubstr("b.jsonl:8: prompt: unknown role \"robot\""),
                     HasSubstr("b.jsonl:9: prompt: a prompt ends on the human"),
                     HasSubstr("nothing was imported"))));
}

TEST(ParseComparisonsTest, ArgillaFilesAreKnownByTheirMembers) {
  const ParsedComparisons array = ParseFixture("argilla_2.json");
  EXPECT_THAT(Judgements(array),
              ElementsAre("6c1d1f3e-0000-4000-8000-000000000001 B_BETTER",
                          "6c1d1f3e-0000-4000-8000-000000000002 A_BETTER",
                          "import:argilla_2.json A_BETTER"));
  ASSERT_THAT(array.refused, SizeIs(1));
  EXPECT_EQ(array.refused[0].line, 3);
  EXPECT_EQ(array.refused[0].reason, "record 3: nobody judged it");

  const ParsedComparisons flat = ParseFixture("argilla_2_flat.jsonl");
  EXPECT_THAT(Judgements(flat),
              ElementsAre("u1 B_BETTER", "u2 TIE", "u4 SKIPPED"));
  ASSERT_THAT(flat.refused, SizeIs(2));
  EXPECT_EQ(flat.refused[1].line, 2);
  EXPECT_EQ(flat.refused[1].reason, "nobody judged it");

  EXPECT_THAT(ParseFixture("argilla_1.jsonl").comparisons, SizeIs(6));
}

TEST(ParseComparisonsTest, LabelStudioFilesAreKnownByTheirMembers) {
  const ParsedComparisons parsed = ParseFixture("label_studio.json");
  EXPECT_THAT(Judgements(parsed), ElementsAre("label-studio:10 B_BETTER",
                                              "label-studio:11 SKIPPED"));
  ASSERT_THAT(parsed.refused, SizeIs(2));
  EXPECT_EQ(parsed.refused[0].line, 1);
  EXPECT_EQ(parsed.refused[1].reason, "record 2: nobody judged it");
}

TEST(ParseComparisonsTest, CsvFilesAreKnownByTheirNames) {
  const ParsedComparisons mturk = ParseFixture("mturk.csv");
  EXPECT_THAT(Judgements(mturk), ElementsAre("AW1 B_BETTER", "AW1 A_BETTER"));
  EXPECT_EQ(mturk.comparisons[0].response_b(), "Five, \"the\" prime.");
  EXPECT_EQ(mturk.comparisons[0].strength(), 3);
  EXPECT_EQ(mturk.comparisons[0].worker_seconds(), 31);
  EXPECT_EQ(mturk.comparisons[0].source(), "import:mturk.csv");
  EXPECT_EQ(mturk.comparisons[1].prompt().messages(0).content(),
            "Name\ntwo colours.");
  ASSERT_THAT(mturk.refused, SizeIs(1));
  EXPECT_EQ(mturk.refused[0].line, 3);
  EXPECT_EQ(mturk.refused[0].reason, "the answer was rejected");

  const ParsedComparisons prolific = ParseFixture("prolific.csv");
  EXPECT_THAT(Judgements(prolific),
              ElementsAre("p1 B_BETTER", "p2 TIE", "p1 BOTH_BAD"));
  ASSERT_THAT(prolific.refused, SizeIs(1));
  EXPECT_EQ(prolific.refused[0].line, 4);

  EXPECT_THAT(ParseComparisons(absl::StrCat(kHeader, "q,x,y,A\n"), "B.CSV")
                  ->comparisons,
              SizeIs(1));
}

TEST(ParseComparisonsTest, ContentsGoBeforeTheName) {
  EXPECT_THAT(ParseComparisons(kPair, "pairs.csv")->comparisons, SizeIs(1));
  EXPECT_THAT(ParseComparisons(absl::StrCat("\xEF\xBB\xBF\n [", kPair, "]"),
                               "pairs.csv")
                  ->comparisons,
              SizeIs(1));
  EXPECT_THAT(ParseComparisons(absl::StrCat(kHeader, "q,x,y,A\n"), "a.jsonl"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a.jsonl:1: not valid JSON")));
}

TEST(ParseComparisonsTest, AnArrayMayHoldRecordsOfAllForms) {
  const std::string own =
      R"({"prompt": {"messages": [{"role": "user", "content": "q"}]},)"
      R"( "response_a": "x", "response_b": "y", "choice": "TIE",)"
      R"( "comparison_id": "c1", "worker_id": "ada"})";
  ASSERT_OK_AND_ASSIGN(
      const ParsedComparisons parsed,
      ParseComparisons(absl::StrCat("[", kPair, ",\n", own, "]\n"), "b.json"));
  EXPECT_THAT(Judgements(parsed),
              ElementsAre("import:b.json A_BETTER", "ada TIE"));
  EXPECT_EQ(parsed.comparisons[1].comparison_id(), "c1");
  EXPECT_EQ(parsed.comparisons[1].policy_version_a(), -1);
  // The same pair as a line is the same comparison.
  EXPECT_EQ(parsed.comparisons[0].comparison_id(),
            ParseComparisons(kPair, "b.jsonl")->comparisons[0].comparison_id());
}

TEST(ParseComparisonsTest, MalformedRecordsOfAnArrayAreNumbered) {
  EXPECT_THAT(
      ParseComparisons(absl::StrCat("[", kPair, ", 7,\n",
                                    R"({"data": 1, "annotations": 2},)",
                                    R"({"fields": 3, "responses": null}])"),
                       "b.json"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("b.json: record 2: it is no JSON object"),
                     HasSubstr("b.json: record 3: \"data\" must be"),
                     HasSubstr("b.json: record 4: \"fields\" must be"),
                     Not(HasSubstr("record 1")),
                     HasSubstr("nothing was imported"))));
  EXPECT_THAT(ParseComparisons(absl::StrCat("[", kPair, ","), "b.json"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("b.json: not valid JSON"),
                             HasSubstr("nothing was imported"))));
}

TEST(ParseComparisonsTest, MalformedCsvIsNamedWithItsLine) {
  const auto error = [](const std::string& text) {
    const auto parsed = ParseComparisons(text, "b.csv");
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(parsed.status().message()),
                HasSubstr("nothing was imported"));
    return std::string(parsed.status().message());
  };
  EXPECT_THAT(
      error(absl::StrCat(kHeader, "q,x,y,A\nq,\"x\n\n\",y,A\nq,x,y,?\n")),
      AllOf(HasSubstr("b.csv:6: choice: \"?\" is no choice"),
            Not(HasSubstr("b.csv:2"))));
  EXPECT_THAT(error("\nprompt,response_a,choice\nq,x,A\n"),
              HasSubstr("b.csv:2: wanted 2 to 16 answers"));
  EXPECT_THAT(error(absl::StrCat(kHeader, "q,\"x,y,A\n")),
              HasSubstr("b.csv: line 2: the quotation mark"));
  EXPECT_THAT(error(std::string("p\0r\0", 4)), HasSubstr("a NUL byte"));
}

TEST(ParseComparisonsTest, PromptsThatEndOnTheWrongSideAreMalformed) {
  EXPECT_THAT(
      ParseComparisons(
          absl::StrCat(kHeader, "\"\n\nHuman: a\n\nAssistant: b\",x,y,A\n"),
          "b.csv"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("b.csv:2: prompt: a prompt ends on the human side")));
}

TEST(ParseComparisonsTest, JudgementsOfTheSamePairByOthersAreDistinct) {
  // The first two lines differ in nothing but who judged, the next in where the
  // judgement comes from, and the last in nothing.
  ASSERT_OK_AND_ASSIGN(
      const ParsedComparisons parsed,
      ParseComparisons("prompt,response_a,response_b,choice,worker_id,"
                       "assignment_id\nq,x,y,A,w1,s1\nq,x,y,A,w2,s1\n"
                       "q,x,y,A,w1,s2\nq,x,y,A,w1,s1\n",
                       "b.csv"));
  std::set<std::string> ids;
  for (const v1::Comparison& comparison : parsed.comparisons) {
    ids.insert(comparison.comparison_id());
    EXPECT_LE(comparison.comparison_id().size(), 64u);
  }
  EXPECT_THAT(ids, SizeIs(3));
}

TEST(ParseComparisonsTest, LongIdsOfOthersAreNoError) {
  ASSERT_OK_AND_ASSIGN(
      const ParsedComparisons parsed,
      ParseComparisons(
          absl::StrCat("prompt,response_a,response_b,choice,submission_id\n",
                       "q,x,y,A,", std::string(5000, 's'), "\n"),
          "b.csv"));
  EXPECT_THAT(parsed.comparisons, SizeIs(1));
}

TEST(ParseComparisonsTest, EmptyFilesHoldNothing) {
  for (const char* const text : {"", "\n\n", "\xEF\xBB\xBF", "[]"}) {
    for (const char* const name : {"a.csv", "a.jsonl"}) {
      const auto parsed = ParseComparisons(text, name);
      ASSERT_OK(parsed) << name;
      EXPECT_THAT(parsed->comparisons, IsEmpty());
      EXPECT_THAT(parsed->refused, IsEmpty());
    }
  }
}

TEST(ParseReadableTest, WhatCanBeReadIsReadAndTheRestIsCounted) {
  const ReadableComparisons read =
      ParseReadable(R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})"
                    "\n{\n\n[]\n"
                    R"({"prompt": "2+2?", "chosen": "4", "rejected": "4"})",
                    "f.jsonl");
  EXPECT_EQ(read.num_records, 4);
  EXPECT_EQ(read.num_malformed, 2);
  ASSERT_EQ(read.malformed.size(), 2u);
  EXPECT_EQ(read.malformed[0].substr(0, 10), "f.jsonl:2:");
  EXPECT_EQ(read.malformed[1].substr(0, 10), "f.jsonl:4:");
  EXPECT_EQ(read.parsed.comparisons.size(), 1u);
  EXPECT_EQ(read.parsed.refused.size(), 1u);
}

TEST(ParseReadableTest, TenMalformedRecordsAreShownAndAllAreCounted) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "{\n";
  const ReadableComparisons read = ParseReadable(text, "f.jsonl");
  EXPECT_EQ(read.num_malformed, 30);
  EXPECT_EQ(read.malformed.size(), 10u);
}

TEST(ParseReadableTest, WhatIsNoTextIsOneRecordThatCannotBeRead) {
  for (const std::string& text : {std::string("\x1f\x8b\x08 packed \xff"),
                                  std::string("{\"a\": \xe9}")}) {
    const ReadableComparisons read = ParseReadable(text, "f.jsonl");
    EXPECT_EQ(read.num_malformed, 1);
    ASSERT_EQ(read.malformed.size(), 1u);
    EXPECT_THAT(read.malformed[0], HasSubstr("not UTF-8 text: unpack"));
  }
}

// A comparison of our own form with further members.
std::string OurLine(const std::string& choice, const std::string& more) {
  return absl::StrCat(
      R"({"prompt": {"messages": [{"role": "user", "content": "Hi"}]}, )",
      R"("response_a": "x", "response_b": "y", "choice": ")", choice, "\"",
      more, "}");
}

TEST(ParseReadableTest, WhatThePageRefusesIsRefusedInFilesToo) {
  const struct {
    std::string line, problem;
  } bad[] = {
      {OurLine("TIE", R"(, "edited_response": "z")"), "\"edited_response\""},
      {OurLine("A_BETTER", R"(, "strength": 1, "task_kind": "RED_TEAM", )"
                           R"("edited_response": "z")"),
       "helpful task"},
      {OurLine("TIE", R"(, "worker_seconds": -5)"), "\"worker_seconds\" is -5"},
      {OurLine("TIE", R"(, "worker_seconds": "NaN")"), "\"worker_seconds\""},
      {OurLine("TIE",
               absl::StrCat(R"(, "comment": ")",
                            std::string(kMaxRemarkBytes + 1, 'c'), "\"")),
       "\"comment\" has 8193 bytes"},
      {OurLine("TIE",
               absl::StrCat(R"(, "worker_id": ")",
                            std::string(kMaxWorkerNameBytes + 1, 'w'), "\"")),
       "\"worker_id\" has 161 bytes"},
      {OurLine("TIE", R"(, "worker_id": "a\nb")"), "cannot be printed"},
      {absl::StrCat(R"({"prompt": "Hi", "chosen": ")",
                    std::string(kMaxTextBytes + 1, 'x'),
                    R"(", "rejected": "y"})"),
       "\"response_a\" has 262145 bytes"}};
  for (const auto& [line, problem] : bad) {
    const ReadableComparisons read = ParseReadable(line, "f.jsonl");
    ASSERT_EQ(read.malformed.size(), 1u) << line.substr(0, 200);
    EXPECT_THAT(read.malformed[0], HasSubstr(problem));
  }
  EXPECT_EQ(ParseReadable(OurLine("A_BETTER", R"(, "strength": 1, )"
                                              R"("edited_response": "z")"),
                          "f.jsonl")
                .num_malformed,
            0);
}

TEST(ParseReadableTest, APairOfChosenAndRejectedHasNoSides) {
  const auto sides_known = [](const std::string& line) {
    const ReadableComparisons read = ParseReadable(line, "f.jsonl");
    EXPECT_EQ(read.parsed.sides_known.size(), 1u) << line;
    return read.parsed.sides_known[0];
  };
  const std::string ours =
      R"({"prompt": {"messages": [{"role": "user", "content": "Hi"}]}, )"
      R"("response_a": "x", "response_b": "y", "choice": "A_BETTER", )"
      R"("strength": 2)";
  EXPECT_FALSE(
      sides_known(R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})"));
  EXPECT_FALSE(sides_known(ours + "}"));
  EXPECT_TRUE(sides_known(ours + R"(, "shown_swapped": false})"));
  EXPECT_TRUE(
      sides_known(ours + R"(, "shownSwapped": true, "source": "page"})"));
  // A pair that was imported, exported, and comes again.
  EXPECT_FALSE(sides_known(
      ours + R"(, "shown_swapped": false, "source": "import:hh.jsonl"})"));
}

}  // namespace
}  // namespace rlhf
