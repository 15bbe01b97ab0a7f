#include "actor/stop_conditions.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

using Ids = std::vector<int32_t>;
using Strings = std::vector<std::string>;

TEST(FindStopTest, FindsWhatTheLastTokenCompletes) {
  // The token added "\nUs", "\n" stood there before.
  EXPECT_EQ(FindStop("Yes.\n\nUs", 5, {"\n\n"}), 4);
  EXPECT_EQ(FindStop("Yes.\n\nUs", 0, {"Us"}), 6);
  EXPECT_EQ(FindStop("Yes.", 0, {"No"}), std::nullopt);
  EXPECT_EQ(FindStop("", 0, {"a"}), std::nullopt);
  EXPECT_EQ(FindStop("abc", 0, {}), std::nullopt);
}

TEST(FindStopTest, TheOneThatIsCompleteFirstCounts) {
  EXPECT_EQ(FindStop("xabcd", 0, {"abcd", "bc"}), 2);
  EXPECT_EQ(FindStop("xabcd", 0, {"bc", "abcd"}), 2);
  // Both end with the c.
  EXPECT_EQ(FindStop("xabcd", 0, {"bc", "abc"}), 1);
  EXPECT_EQ(FindStop("aXbX", 0, {"X"}), 1);
}

TEST(FindStopTest, DoesNotDependOnHowTokensCutTheText) {
  const std::string text = "one two, three two one";
  const Strings strings = {"two o", "e two,", "three"};
  const auto whole = FindStop(text, 0, strings);
  for (size_t step = 1; step <= text.size(); ++step) {
    std::optional<size_t> found;
    for (size_t end = 0; end < text.size() && !found.has_value();) {
      const size_t checked = end;
      end = std::min(text.size(), end + step);
      found =
          FindStop(absl::string_view(text).substr(0, end), checked, strings);
    }
    EXPECT_EQ(found, whole) << step;
  }
}

TEST(SettledLengthTest, HoldsBackWhatMayBecomeAStopString) {
  EXPECT_EQ(SettledLength("Hello", {"lot"}), 3);  // "lo"
  EXPECT_EQ(SettledLength("Hello", {"os", "low"}), 3);
  EXPECT_EQ(SettledLength("Hello", {"x"}), 5);
  EXPECT_EQ(SettledLength("aaa", {"aaaa"}), 0);
  EXPECT_EQ(SettledLength("", {"a"}), 0);
}

TEST(SettledLengthTest, HoldsBackCharactersThatLackBytes) {
  const std::string euro = "\xE2\x82\xAC";
  EXPECT_EQ(SettledLength("1" + euro, {}), 4);
  EXPECT_EQ(SettledLength("1" + euro.substr(0, 2), {}), 1);
  EXPECT_EQ(SettledLength("1" + euro.substr(0, 1), {}), 1);
  const std::string face = "\xF0\x9F\x98\x80";
  EXPECT_EQ(SettledLength(face.substr(0, 3), {}), 0);
  EXPECT_EQ(SettledLength(face, {}), 4);
  // Bytes that begin nothing are as settled as they will ever be.
  EXPECT_EQ(SettledLength("1\x80\x80", {}), 3);
}

TEST(EndsInRepetitionTest, CountsCopiesOfABlock) {
  EXPECT_TRUE(EndsInRepetition(Ids{1, 7, 7, 7}, 1, 3));
  EXPECT_FALSE(EndsInRepetition(Ids{1, 7, 7}, 1, 3));
  EXPECT_FALSE(EndsInRepetition(Ids{7, 7, 7, 1}, 1, 3));
  EXPECT_TRUE(EndsInRepetition(Ids{9, 1, 2, 3, 1, 2, 3}, 3, 2));
  EXPECT_TRUE(EndsInRepetition(Ids{1, 2, 3, 1, 2, 3}, 4, 2));
  EXPECT_FALSE(EndsInRepetition(Ids{1, 2, 3, 1, 2, 3}, 2, 2));
  EXPECT_FALSE(EndsInRepetition(Ids{1, 2, 3, 1, 2, 4}, 3, 2));
  EXPECT_FALSE(EndsInRepetition(Ids{7, 7, 7}, 0, 2));
  EXPECT_FALSE(EndsInRepetition(Ids{}, 4, 2));
}

TEST(ValidateStopsTest, SaysWhatIsOutOfRange) {
  const auto expect = [](const StopConditions& stops,
                         const std::string& message) {
    EXPECT_THAT(ValidateStops(stops),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  expect({.strings = Strings(17, "a")}, "stop: 17 strings; wanted at most 16");
  expect({.strings = {""}}, "stop: a string of 0 bytes; wanted 1 to 256");
  expect({.strings = {std::string(257, 'a')}}, "257 bytes; wanted 1 to 256");
  expect({.repetition_block = 257},
         "blocks of up to 257 tokens; wanted 0 (never) to 256");
  expect({.repetition_block = 4, .repetition_copies = 1},
         "1 copies; wanted 2 to 1000");
  EXPECT_OK(ValidateStops({}));
  EXPECT_OK(ValidateStops({.repetition_copies = 0}));
}

}  // namespace
}  // namespace rlhf
