#include "core/comparisons/argilla_responses.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

absl::StatusOr<std::vector<ArgillaResponse>> Find(const std::string& json) {
  return FindArgillaResponses(*ParseJson(json));
}

TEST(FindArgillaResponsesTest, AnswersOfOneUserAreBroughtTogether) {
  ASSERT_OK_AND_ASSIGN(
      const auto nested,
      Find(R"({"fields": {}, "responses": {"p": [{"value": 1, "user_id": "u"},)"
           R"( {"value": 2, "user_id": "v"}], "q": [{"value": "x",)"
           R"( "user_id": "v", "status": "draft"}]}})"));
  ASSERT_THAT(nested, SizeIs(2));
  EXPECT_EQ(nested[0].user, "u");
  EXPECT_EQ(nested[0].status, "");
  EXPECT_EQ(nested[1].status, "draft");
  ASSERT_THAT(nested[1].values, SizeIs(2));
  EXPECT_EQ(nested[1].values[1].question, "q");
  EXPECT_EQ(nested[1].values[1].value, Json("x"));

  ASSERT_OK_AND_ASSIGN(
      const auto flat,
      Find(R"({"p.responses": [1, 2], "p.responses.users": ["u", "v"],)"
           R"( "p.responses.status": ["submitted", null],)"
           R"( "q.responses": ["x"], "q.responses.users": ["v"]})"));
  ASSERT_THAT(flat, SizeIs(2));
  EXPECT_EQ(flat[0].status, "submitted");
  EXPECT_THAT(flat[1].values, SizeIs(2));
}

TEST(FindArgillaResponsesTest, UnknownUsersAreNotTakenForOne) {
  ASSERT_OK_AND_ASSIGN(
      const auto found,
      Find(R"({"fields": {}, "responses": {"p": [{"value": 1,)"
           R"( "user_id": "None"}, {"value": 2, "user_id": null},)"
           R"( {"value": 3}]}})"));
  EXPECT_THAT(found, SizeIs(3));
}

TEST(FindArgillaResponsesTest, RecordsWithoutResponsesHaveNone) {
  for (const char* const json :
       {R"({"fields": {}, "responses": null})",
        R"({"fields": {}, "responses": {}})",
        R"({"fields": {}, "responses": []})",
        R"({"fields": {}, "responses": {"p": null, "q": []}})",
        R"({"p.responses": null})"}) {
    const auto found = Find(json);
    ASSERT_OK(found) << json;
    EXPECT_THAT(*found, SizeIs(0)) << json;
  }
}

TEST(FindArgillaResponsesTest, MembersOfAWrongTypeAreNamed) {
  struct Case {
    const char* json;
    const char* problem;
  };
  for (const Case& bad : {
           Case{R"({"fields": {}, "responses": "x"})", "\"responses\" must be"},
           Case{R"({"fields": {}, "responses": [1]})", "\"responses\" must be"},
           Case{R"({"fields": {}, "responses": {"p": 1}})", "\"p\" must be"},
           Case{R"({"fields": {}, "responses": {"p": [1]}})", "\"p\" must be"},
           Case{R"({"fields": {}, "responses": {"p": [{"value": 1,)"
                R"( "user_id": 1.5}]}})",
                "\"user_id\" must be a string"},
           Case{R"({"fields": {}, "responses": {"p": [{"value": 1,)"
                R"( "status": []}]}})",
                "\"status\" must be a string"},
           Case{R"({"fields": {}, "responses": [{"values": 7}]})",
                "\"values\" must be"},
           Case{R"({"fields": {}, "responses": [{"values": {"p": 7}}]})",
                "\"p\" must be"},
           Case{R"({"p.responses": 1})", "\"p.responses\" must be a list"},
           Case{R"({"p.responses": [1, 2], "p.responses.users": ["u"]})",
                "as long as its .users"},
           Case{R"({"p.responses": [1], "p.responses.status": {}})",
                "as long as its .users and .status"},
       }) {
    EXPECT_THAT(Find(bad.json), StatusIs(absl::StatusCode::kInvalidArgument,
                                         HasSubstr(bad.problem)))
        << bad.json;
  }
}

TEST(IsArgillaRecordTest, OtherRecordsAreTold) {
  const auto is_record = [](const char* json) {
    return IsArgillaRecord(*ParseJson(json));
  };
  EXPECT_TRUE(is_record(R"({"fields": {}, "responses": []})"));
  EXPECT_TRUE(is_record(R"({"prompt": "", "better.responses": null})"));
  EXPECT_FALSE(is_record(R"({"prompt": "", "chosen": "", "rejected": ""})"));
  EXPECT_FALSE(is_record(R"({"fields": {}})"));
  EXPECT_FALSE(is_record(R"(["fields", "responses"])"));
}

}  // namespace
}  // namespace rlhf
