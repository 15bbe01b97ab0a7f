#include "core/comparisons/label_studio.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/fixtures/comparisons/fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A task of the RLHF template with one annotation.
Json TaskWith(const std::string& annotation) {
  return *ParseJson(absl::StrCat(
      R"({"id": 1, "data": {"prompt": "q", "answer1": "x", "answer2": "y"},)",
      R"( "annotations": [)", annotation, "]}"));
}

// The same, of an annotation with these results.
Json TaskWithResults(const std::string& results) {
  return TaskWith(absl::StrCat(R"({"id": 7, "completed_by": 3, "result": [)",
                               results, "]}"));
}

std::string Pairwise(const std::string& to_name, const std::string& selected) {
  return absl::StrCat(R"({"type": "pairwise", "from_name": "comparison",)",
                      R"( "to_name": ")", to_name, R"(", "value": {)",
                      R"("selected": )", selected, "}}");
}

std::string Choices(const std::string& from_name, const std::string& choices) {
  return absl::StrCat(R"({"type": "choices", "from_name": ")", from_name,
                      R"(", "to_name": "prompt", "value": {"choices": )",
                      choices, "}}");
}

std::string Stars(const std::string& to_name, const std::string& rating) {
  return absl::StrCat(R"({"type": "rating", "from_name": "r", "to_name": ")",
                      to_name, R"(", "value": {"rating": )", rating, "}}");
}

// The only comparison of a task.
v1::Comparison ReadOne(const Json& task) {
  const auto record = ReadLabelStudioTask(task);
  EXPECT_OK(record);
  if (!record.ok() || record->comparisons.size() != 1) {
    ADD_FAILURE() << "not one comparison: " << DumpJson(task);
    return v1::Comparison();
  }
  return record->comparisons[0];
}

std::string LeftOut(const Json& task) {
  const auto record = ReadLabelStudioTask(task);
  EXPECT_OK(record);
  if (!record.ok() || record->left_out.size() != 1) return "not one left out";
  EXPECT_THAT(record->comparisons, IsEmpty());
  return record->left_out[0];
}

TEST(ReadLabelStudioTaskTest, EachAnnotationOfTheExportIsAComparison) {
  const Json tasks = *ParseJson(FeedbackFixture("label_studio.json"));
  ASSERT_OK_AND_ASSIGN(const RecordComparisons record,
                       ReadLabelStudioTask(tasks.at(0)));
  ASSERT_THAT(record.comparisons, SizeIs(2));
  const v1::Comparison& first = record.comparisons[0];
  EXPECT_EQ(first.prompt().messages(0).content(), "Name a prime.");
  EXPECT_EQ(first.response_a(), "Four.");
  EXPECT_EQ(first.response_b(), "Five.");
  EXPECT_EQ(first.choice(), v1::B_BETTER);
  EXPECT_EQ(first.strength(), 1);
  EXPECT_EQ(first.worker_id(), "label-studio:10");
  EXPECT_EQ(first.worker_seconds(), 4.288);
  EXPECT_EQ(first.comparison_id(), "7");
  EXPECT_EQ(record.comparisons[1].choice(), v1::SKIPPED);
  EXPECT_EQ(record.comparisons[1].strength(), 0);
  EXPECT_EQ(record.comparisons[1].worker_id(), "label-studio:11");
  EXPECT_THAT(record.left_out,
              ElementsAre("annotation 3: no result compares the answers"));

  EXPECT_EQ(LeftOut(tasks.at(1)), "nobody judged it");
}

TEST(ReadLabelStudioTaskTest, LeftIsTheFirstOfToNameIfThatNamesTwo) {
  const auto better = [](const std::string& to_name) {
    const v1::Comparison comparison =
        ReadOne(TaskWithResults(Pairwise(to_name, "\"left\"")));
    EXPECT_EQ(comparison.choice(), v1::A_BETTER);
    return comparison.response_a();
  };
  EXPECT_EQ(better("comparison"), "x");
  EXPECT_EQ(better("answer1,answer2"), "x");
  EXPECT_EQ(better("answer2, answer1"), "y");
  EXPECT_EQ(better("txt-2,txt-1"), "x");
  EXPECT_EQ(better("answer2,answer2"), "x");
}

TEST(ReadLabelStudioTaskTest, ToNameChoosesTwoAmongManyTexts) {
  const auto task = [](const std::string& to_name) {
    return *ParseJson(
        absl::StrCat(R"({"data": {"prompt": "q", "text1": "x", "text2": "y",)",
                     R"( "text3": "z"},)", R"( "annotations": [{"result": [)",
                     Pairwise(to_name, "\"right\""), "]}]}"));
  };
  EXPECT_EQ(ReadOne(task("text3,text1")).response_b(), "x");
  EXPECT_THAT(ReadLabelStudioTask(task("comparison")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("annotation 1: 3 answers in \"data\"")));
}

TEST(ReadLabelStudioTaskTest, ChoicesNameTheBetterAnswer) {
  const auto choice = [](const std::string& from_name,
                         const std::string& choices) {
    return ReadOne(TaskWithResults(Choices(from_name, choices))).choice();
  };
  EXPECT_EQ(choice("q", R"(["answer2"])"), v1::B_BETTER);
  EXPECT_EQ(choice("preference", R"(["Response 1"])"), v1::A_BETTER);
  EXPECT_EQ(choice("preference", R"(["Tie"])"), v1::TIE);
  EXPECT_EQ(choice("best", R"(["both_bad"])"), v1::BOTH_BAD);
  EXPECT_THAT(LeftOut(TaskWithResults(Choices("tone", R"(["rude"])"))),
              HasSubstr("no result compares the answers"));
}

TEST(ReadLabelStudioTaskTest, MoreStarsAreBetterByTheirDifference) {
  struct Case {
    const char* first;
    const char* second;
    v1::Choice choice;
    int strength;
  };
  for (const Case& rated :
       {Case{"3", "4", v1::B_BETTER, 1}, Case{"4", "2", v1::A_BETTER, 2},
        Case{"5", "1", v1::A_BETTER, 3}, Case{"0", "10", v1::B_BETTER, 3},
        Case{"2", "2", v1::TIE, 0}}) {
    const v1::Comparison comparison = ReadOne(TaskWithResults(absl::StrCat(
        Stars("answer2", rated.second), ",", Stars("answer1", rated.first))));
    EXPECT_EQ(comparison.choice(), rated.choice) << rated.first;
    EXPECT_EQ(comparison.strength(), rated.strength) << rated.first;
  }
  EXPECT_THAT(LeftOut(TaskWithResults(Stars("answer1", "5"))),
              HasSubstr("no result compares the answers"));
}

TEST(ReadLabelStudioTaskTest, PairwiseGoesBeforeChoicesAndRatings) {
  const v1::Comparison comparison = ReadOne(TaskWithResults(
      absl::StrCat(Stars("answer1", "5"), ",", Stars("answer2", "1"), ",",
                   Choices("better", R"(["answer1"])"), ",",
                   Pairwise("comparison", "\"right\""))));
  EXPECT_EQ(comparison.choice(), v1::B_BETTER);
}

TEST(ReadLabelStudioTaskTest, ResultsThatCannotBeReadAreNamed) {
  struct Case {
    std::string results;
    const char* problem;
  };
  for (const Case& bad : {
           Case{Pairwise("comparison", "\"none\""), "\"selected\" is"},
           Case{Pairwise("comparison", "null"), "\"selected\" is"},
           Case{Pairwise("comparison", "[1e300]"), "\"selected\" is"},
           Case{absl::StrCat(Pairwise("a", "\"left\""), ",",
                             Pairwise("b", "\"left\"")),
                "several pairwise results"},
           Case{Choices("better", R"(["perhaps"])"), "is no choice"},
           Case{Choices("better", R"("answer1")"), "\"choices\" must be"},
           Case{Choices("better", "[1]"), "\"choices\" must be"},
           Case{Choices("better", R"(["answer1", "answer2"])"),
                "several questions compare"},
           Case{Stars("answer1", "-1"), "\"rating\" is \"-1\""},
           Case{Stars("answer1", "4.5"), "\"rating\" is \"4.5\""},
           Case{Stars("answer1", "99999999999999999999"), "\"rating\" is"},
           Case{absl::StrCat(Stars("answer1", "1"), ",", Stars("answer1", "2")),
                "several ratings of \"answer1\""},
           Case{"3", "not a JSON object"},
           Case{"{}", "\"type\" is missing"},
           Case{R"({"type": "pairwise"})", "\"value\" must be an object"},
       }) {
    EXPECT_THAT(
        ReadLabelStudioTask(TaskWithResults(bad.results)),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("annotation 1: "), HasSubstr(bad.problem))))
        << bad.results;
  }
}

TEST(ReadLabelStudioTaskTest, AnnotationsThatAreMalformedAreNamed) {
  const std::string good = Pairwise("comparison", "\"left\"");
  struct Case {
    std::string annotation;
    const char* problem;
  };
  for (const Case& bad : {
           Case{"7", "\"annotations\" must be objects"},
           Case{R"({"result": {}})", "\"result\" must be a list"},
           Case{R"({"was_cancelled": "no", "result": []})",
                "\"was_cancelled\" must be true or false"},
           Case{absl::StrCat(R"({"lead_time": "4 s", "result": [)", good, "]}"),
                "\"lead_time\" must be a number"},
           Case{absl::StrCat(R"({"lead_time": -4, "result": [)", good, "]}"),
                "\"lead_time\" is -4; wanted 0 to 1e9 seconds"},
           Case{absl::StrCat(R"({"lead_time": 1e300, "result": [)", good, "]}"),
                "\"lead_time\" is 1e+300"},
           Case{
               absl::StrCat(R"({"completed_by": [1], "result": [)", good, "]}"),
               "\"completed_by\" must be"},
       }) {
    EXPECT_THAT(
        ReadLabelStudioTask(TaskWith(bad.annotation)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.problem)))
        << bad.annotation;
  }
}

TEST(ReadLabelStudioTaskTest, TasksWithoutPromptOrAnswersAreNamed) {
  struct Case {
    const char* task;
    const char* problem;
  };
  for (const Case& bad : {
           Case{R"({"data": [], "annotations": []})", "\"data\" must be"},
           Case{R"({"data": {}, "annotations": null})",
                "\"annotations\" must be a list"},
           Case{R"({"data": {"image": "x"}, "annotations": []})", "no prompt"},
           Case{R"({"data": {"prompt": 4}, "annotations": []})",
                "the prompt must be a text"},
           Case{R"({"data": {"prompt": "q", "answer1": "x", "answer2": 2},)"
                R"( "annotations": [{"result": []}]})",
                "annotation 1: wanted 2 to 16 answers"},
       }) {
    EXPECT_THAT(
        ReadLabelStudioTask(*ParseJson(bad.task)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.problem)))
        << bad.task;
  }
}

TEST(IsLabelStudioTaskTest, OtherRecordsAreTold) {
  EXPECT_TRUE(IsLabelStudioTask(*ParseJson(R"({"data":1,"annotations":2})")));
  EXPECT_FALSE(IsLabelStudioTask(*ParseJson(R"({"data": {}})")));
  EXPECT_FALSE(IsLabelStudioTask(*ParseJson(R"(["data", "annotations"])")));
}

}  // namespace
}  // namespace rlhf
