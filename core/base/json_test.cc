#include "core/base/json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

auto IsRefused(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message));
}

std::string Nested(int levels) {
  return std::string(levels, '[') + std::string(levels, ']');
}

TEST(ParseJsonTest, ReadsEveryKindOfValue) {
  ASSERT_OK_AND_ASSIGN(
      const Json value,
      ParseJson(R"({"s": "é\n", "i": -3, "d": 0.5, "l": [true, null]})"));

  EXPECT_EQ(value.at("s"), "é\n");
  EXPECT_EQ(value.at("i"), -3);
  EXPECT_EQ(value.at("d"), 0.5);
  EXPECT_EQ(value.at("l"), Json::array({true, nullptr}));
}

TEST(ParseJsonTest, SaysWhereTheSyntaxErrorIs) {
  EXPECT_THAT(ParseJson("{\"a\": 1,\n \"b\" 2}"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("not valid JSON: parse error at"),
                             HasSubstr("line 2, column 6"))));
}

TEST(ParseJsonTest, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "nul", "{'a': 1}", "[1,]", "1 2", "NaN",
                           "\"\\ud800\"", "\"tab\there\""}) {
    EXPECT_THAT(ParseJson(text), IsRefused("not valid JSON")) << text;
  }
}

TEST(ParseJsonTest, RefusesANulByteInPlaceOfEndingAtIt) {
  using namespace std::string_literals;
  EXPECT_THAT(ParseJson("{\"a\": 1}\0{\"a\": 2}"s),
              IsRefused("a NUL byte after 8 bytes"));
  EXPECT_THAT(ParseJson("1\0"s), IsRefused("a NUL byte after 1 bytes"));
  EXPECT_THAT(ParseJson("\"a\0\""s), IsRefused("NUL"));
  EXPECT_OK(ParseJson("\"a\\u0000\""));
}

TEST(ParseJsonTest, RefusesANumberThatFitsNoDouble) {
  EXPECT_THAT(ParseJson("[1e999]"), IsRefused("1e999"));
}

TEST(ParseJsonTest, RefusesADuplicateKeyAtAnyLevel) {
  EXPECT_THAT(ParseJson(R"({"a": 1, "a": 2})"),
              IsRefused("duplicate key \"a\""));
  EXPECT_THAT(ParseJson(R"([{"x": {"b": [], "c": 1, "b": {}}}])"),
              IsRefused("duplicate key \"b\""));
}

TEST(ParseJsonTest, TheSameKeyInTwoObjectsIsNoDuplicate) {
  EXPECT_OK(ParseJson(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})"));
}

// The test's time limit tells: where each object costs as much as there are
// before it, this takes half an hour.
TEST(ParseJsonTest, AMillionObjectsInOneAreReadAtOnce) {
  std::string text = "[{}";
  for (int i = 1; i < 1'000'000; ++i) text += ",{}";
  ASSERT_OK_AND_ASSIGN(const Json list, ParseJson(text + "]"));
  EXPECT_EQ(list.size(), 1'000'000U);
}

TEST(ParseJsonTest, AllowsSixtyFourLevelsAndNoMore) {
  EXPECT_OK(ParseJson(Nested(64)));
  EXPECT_THAT(ParseJson(Nested(65)), IsRefused("more than 64 levels"));
  EXPECT_THAT(ParseJson(Nested(200'000)), IsRefused("more than 64 levels"));
}

TEST(ParseJsonTest, RefusesInvalidUtf8) {
  EXPECT_THAT(ParseJson("\"a\xff\""), IsRefused("UTF-8"));
  // An overlong encoding of '/', and a surrogate.
  EXPECT_THAT(ParseJson("\"\xc0\xaf\""), IsRefused("UTF-8"));
  EXPECT_THAT(ParseJson("\"\xed\xa0\x80\""), IsRefused("UTF-8"));
}

TEST(DumpJsonTest, IsOneLineAndSurvivesInvalidUtf8) {
  EXPECT_EQ(DumpJson(Json{{"text", "a\nb\xff"}}),
            "{\"text\":\"a\\nb\xef\xbf\xbd\"}");
}

TEST(GetStringTest, ReturnsTheMember) {
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       GetString(Json{{"a", "x"}}, "a"));
  EXPECT_EQ(text, "x");
}

TEST(GetStringTest, NamesTheKeyThatIsMissingOrNoString) {
  const Json object = {{"a", 1}};
  EXPECT_THAT(GetString(object, "b"), IsRefused("\"b\" is missing"));
  EXPECT_THAT(GetString(object, "a"), IsRefused("\"a\" is not a string"));
  EXPECT_THAT(GetString(Json::array(), "a"), IsRefused("not a JSON object"));
}

// Brackets within strings are text.
TEST(ParseJsonTest, DepthIsCountedOutsideOfStrings) {
  const std::string text = "[\"\\\"" + std::string(100, '[') + "\"]";
  EXPECT_OK(ParseJson(text));
}

TEST(ParseJsonTest, DepthIsRefusedBeforeItIsBuilt) {
  EXPECT_THAT(ParseJson(std::string(3'000'000, '[')),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("more than 64 levels deep")));
}

}  // namespace
}  // namespace rlhf
