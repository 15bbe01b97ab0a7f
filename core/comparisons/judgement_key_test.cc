#include "core/comparisons/judgement_key.h"

#include <string>

#include "core/comparisons/parse_comparisons.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

v1::Comparison Compared(const std::string& a, const std::string& b,
                        v1::Choice choice = v1::A_BETTER) {
  v1::Comparison comparison;
  comparison.mutable_prompt()->add_messages()->set_content("Name a prime.");
  comparison.set_response_a(a);
  comparison.set_response_b(b);
  comparison.set_choice(choice);
  return comparison;
}

std::string KeyOf(const JudgementPlace& place, v1::Comparison comparison) {
  SetJudgementKey(place, comparison);
  return comparison.judgement_key();
}

TEST(JudgementKeyTest, AnotherAnswerHasTheSameKey) {
  const JudgementPlace place = {"argilla", "rec-1", "u1"};
  const std::string key = KeyOf(place, Compared("Four.", "Five."));
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(KeyOf(place, Compared("Four.", "Five.", v1::TIE)), key);
  EXPECT_EQ(KeyOf(place, Compared("Five.", "Four.")), key) << "whichever is A";
}

TEST(JudgementKeyTest, AnotherPlaceOrQuestionHasAnotherKey) {
  const v1::Comparison compared = Compared("Four.", "Five.");
  const std::string key = KeyOf({"argilla", "rec-1", "u1"}, compared);
  EXPECT_NE(KeyOf({"label-studio", "rec-1", "u1"}, compared), key);
  EXPECT_NE(KeyOf({"argilla", "rec-2", "u1"}, compared), key);
  EXPECT_NE(KeyOf({"argilla", "rec-1", "u2"}, compared), key);
  EXPECT_NE(KeyOf({"argilla", "rec-1u", "1"}, compared), key);
  // Record 1 of another dataset is about something else.
  EXPECT_NE(KeyOf({"argilla", "rec-1", "u1"}, Compared("Four.", "Six.")), key);
}

TEST(JudgementKeyTest, WithoutRecordOrPersonThereIsNone) {
  const v1::Comparison compared = Compared("Four.", "Five.");
  EXPECT_EQ(KeyOf({"argilla", "", "u1"}, compared), "");
  EXPECT_EQ(KeyOf({"argilla", "rec-1", ""}, compared), "");
}

TEST(JudgementKeyTest, OnlyATimeWithAZoneIsOne) {
  const Json json = {{"zone", "2023-11-01T10:00:07.5Z"},
                     {"none", "2023-11-01T10:00:07"},
                     {"number", 7}};
  EXPECT_EQ(JudgedUnixMs(json, "zone"), 1'698'832'807'500);
  EXPECT_EQ(JudgedUnixMs(json, "none"), 0);
  EXPECT_EQ(JudgedUnixMs(json, "number"), 0);
  EXPECT_EQ(JudgedUnixMs(json, "missing"), 0);
}

// Ids are of before there were keys: what was stored then is known again.
TEST(JudgementKeyTest, NeitherKeyNorTimeChangesTheIdOfAComparison) {
  constexpr char kTask[] =
      R"([{"id": 1, "data": {"prompt": "q", "answer1": "x", "answer2": "y"},
           "annotations": [{"id": 7, "completed_by": 3, "updated_at": "%s",
             "result": [{"type": "pairwise", "from_name": "c", "to_name": "c",
                         "value": {"selected": "left"}}]}]}])";
  std::string ids[2];
  int64_t times[2] = {};
  for (int i = 0; i < 2; ++i) {
    std::string text = kTask;
    text.replace(text.find("%s"), 2,
                 i == 0 ? "2023-11-01T10:00:00Z" : "2023-11-02T10:00:00Z");
    ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                         ParseComparisons(text, "f.json"));
    ASSERT_EQ(parsed.comparisons.size(), 1u);
    EXPECT_FALSE(parsed.comparisons[0].judgement_key().empty());
    ids[i] = parsed.comparisons[0].comparison_id();
    times[i] = parsed.comparisons[0].judged_unix_ms();
  }
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(times[1] - times[0], 24 * 3600 * 1000);
}

}  // namespace
}  // namespace rlhf
