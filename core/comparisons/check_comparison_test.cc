#include "core/comparisons/check_comparison.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

v1::Comparison Good(v1::Choice choice = v1::A_BETTER) {
  v1::Comparison comparison;
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content("Hi");
  comparison.set_response_a("x");
  comparison.set_response_b("y");
  comparison.set_choice(choice);
  comparison.set_strength(choice == v1::A_BETTER ? 1 : 0);
  return comparison;
}

// What is done to a good comparison, and what is said of it then.
struct BadCase {
  v1::Choice choice;
  std::function<void(v1::Comparison&)> spoil;
  std::string problem;
};

void ExpectRefused(const std::vector<BadCase>& cases) {
  for (const auto& [choice, spoil, problem] : cases) {
    v1::Comparison comparison = Good(choice);
    spoil(comparison);
    EXPECT_THAT(
        CheckComparison(comparison),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(problem)));
  }
}

TEST(CheckComparisonTest, WhatThePageWouldNotLetBeSaidIsRefused) {
  using C = v1::Comparison;
  ExpectRefused(
      {{v1::TIE, [](C& c) { c.set_edited_response("z"); },
        "\"edited_response\" may be given"},
       {v1::A_BETTER,
        [](C& c) {
          c.set_task_kind(v1::RED_TEAM);
          c.set_edited_response("z");
        },
        "helpful task"},
       {v1::TIE, [](C& c) { c.set_skip_reason("odd"); },
        "\"skip_reason\" may be given"},
       {v1::TIE, [](C& c) { c.set_worker_seconds(-5); },
        "\"worker_seconds\" is -5"},
       {v1::TIE,
        [](C& c) {
          c.set_worker_seconds(std::numeric_limits<double>::quiet_NaN());
        },
        "\"worker_seconds\" is nan"},
       {v1::TIE, [](C& c) { c.set_worker_id("a\nb"); },
        "\"worker_id\" holds characters that cannot be printed"},
       {v1::A_BETTER, [](C& c) { c.set_choice(v1::RETRACTED); },
        "\"choice\" must be"},
       {v1::A_BETTER, [](C& c) { c.set_strength(4); }, "\"strength\" is 4"}});
}

TEST(CheckComparisonTest, WhatCannotHaveMadeItIsRefused) {
  using C = v1::Comparison;
  ExpectRefused(
      {{v1::TIE, [](C& c) { c.set_task_kind(static_cast<v1::TaskKind>(77)); },
        "\"task_kind\" is 77"},
       {v1::TIE, [](C& c) { c.set_policy_version_a(-2); },
        "\"policy_version_a\" is -2"},
       {v1::TIE, [](C& c) { c.set_policy_version_b(-99); },
        "\"policy_version_b\" is -99"},
       {v1::TIE, [](C& c) { c.set_pm_version(-4); }, "\"pm_version\" is -4"},
       {v1::TIE,
        [](C& c) {
          c.mutable_sampling()->set_temperature(
              std::numeric_limits<float>::quiet_NaN());
        },
        "\"sampling.temperature\" is nan"},
       {v1::TIE, [](C& c) { c.mutable_sampling()->set_max_new_tokens(-1); },
        "\"sampling.max_new_tokens\" is -1"},
       {v1::TIE, [](C& c) { c.set_comparison_id(std::string("a\0b", 3)); },
        "\"comparison_id\" holds characters"},
       {v1::TIE, [](C& c) { c.set_batch_id("a\nb"); },
        "\"batch_id\" holds characters"},
       {v1::TIE, [](C& c) { c.set_worker_id("a\u202Eb"); },
        "\"worker_id\" holds characters"}});
  v1::Comparison imported = Good();
  imported.set_policy_version_a(-1);
  imported.set_policy_version_b(-1);
  imported.set_task_kind(v1::RED_TEAM);
  EXPECT_OK(CheckComparison(imported));
}

TEST(CheckComparisonTest, WhatIsLongerThanThePageAllowsIsRefused) {
  using C = v1::Comparison;
  const auto text = [](size_t size) { return std::string(size, 'x'); };
  ExpectRefused(
      {{v1::TIE, [&](C& c) { c.set_comment(text(2001)); },
        "\"comment\" has 2001 characters"},
       {v1::SKIPPED, [&](C& c) { c.set_skip_reason(text(1001)); },
        "\"skip_reason\" has 1001 bytes"},
       {v1::A_BETTER, [&](C& c) { c.set_edited_response(text(65'537)); },
        "\"edited_response\" has 65537 bytes"},
       {v1::TIE, [&](C& c) { c.set_response_b(text(262'145)); },
        "\"response_b\" has 262145 bytes"},
       {v1::TIE, [&](C& c) { c.set_comparison_id(text(65)); },
        "\"comparison_id\" has 65 bytes"},
       {v1::TIE, [&](C& c) { c.set_worker_id(text(161)); },
        "\"worker_id\" has 161 bytes"}});
}

TEST(CheckComparisonTest, WhatThePageTakesIsTaken) {
  EXPECT_OK(CheckComparison(Good()));
  EXPECT_OK(CheckComparison(Good(v1::TIE)));
  v1::Comparison skipped = Good(v1::SKIPPED);
  skipped.set_skip_reason(std::string(kMaxSkipReasonBytes, 'r'));
  EXPECT_OK(CheckComparison(skipped));
  v1::Comparison edited = Good();
  edited.set_edited_response(std::string(kMaxEditedBytes, 'e'));
  std::string comment;
  for (int64_t i = 0; i < kMaxCommentCharacters; ++i) comment += "ü";
  edited.set_comment(comment);
  EXPECT_OK(CheckComparison(edited));
}

TEST(CheckComparisonTest, CharactersAreNoBytes) {
  EXPECT_EQ(CountCharacters(""), 0);
  EXPECT_EQ(CountCharacters("aü語😀"), 4);
}

}  // namespace
}  // namespace rlhf
