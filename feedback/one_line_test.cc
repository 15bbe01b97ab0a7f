#include "feedback/one_line.h"

#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(OneLineTest, WhatPeopleWriteIsTaken) {
  for (const char* const text :
       {"", "ada", "asked to, by e-mail: \"take it out\"",
        "Zoë 李 👩‍🔬", "שלום"}) {
    EXPECT_OK(CheckIsOneLine("by", text)) << text;
  }
}

TEST(OneLineTest, WhatBeginsALineOrMovesTheCursorIsNamed) {
  const std::pair<std::string, const char*> cases[] = {
      {"a\nb", "U+000A"},     {"a\rb", "U+000D"},
      {"a\tb", "U+0009"},     {"a\x1b[2Jb", "U+001B"},
      {"a\x7f", "U+007F"},    {std::string("a\0b", 3), "U+0000"},
      {"a\u0085b", "U+0085"}, {"a\u2028b", "U+2028"},
      {"a\u2029b", "U+2029"}, {"a\u202eb", "U+202E"},
      {"a\u2066b", "U+2066"}};
  for (const auto& [text, code_point] : cases) {
    EXPECT_THAT(CheckIsOneLine("\"by\"", text),
                StatusIs(StatusCode::kInvalidArgument,
                         AllOf(StartsWith("\"by\" holds "),
                               HasSubstr(code_point), HasSubstr("leave it"))));
  }
}

TEST(OneLineTest, WhatIsNoUtf8IsRefused) {
  EXPECT_THAT(CheckIsOneLine("--reason", "a\xff"),
              StatusIs(StatusCode::kInvalidArgument, "--reason is not UTF-8"));
}

}  // namespace
}  // namespace rlhf
