#include "feedback/batch/log_profile.h"

#include <string>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::Comparison Make(const std::string& a, const std::string& b,
                    v1::Choice choice) {
  v1::Comparison comparison;
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content("What is the best way to learn how to cook?");
  comparison.set_response_a(a);
  comparison.set_response_b(b);
  comparison.set_choice(choice);
  return comparison;
}

ComparisonTraits Traits(const std::string& language, size_t length) {
  return {.language = language,
          .longer_is_better = 1,
          .length_a = length,
          .length_b = length};
}

TEST(LogProfileTest, TraitsTellWhetherTheLongerIsBetter) {
  EXPECT_EQ(TraitsOf(Make("long", "b", v1::A_BETTER)).longer_is_better, 1);
  EXPECT_EQ(TraitsOf(Make("long", "b", v1::B_BETTER)).longer_is_better, 0);
  EXPECT_EQ(TraitsOf(Make("a", "b", v1::B_BETTER)).longer_is_better, -1);
  EXPECT_EQ(TraitsOf(Make("long", "b", v1::TIE)).longer_is_better, -1);
  EXPECT_EQ(TraitsOf(Make("a", "b", v1::TIE)).language, "en");
}

TEST(LogProfileTest, CountsOverItsWindowOnly) {
  LogProfile profile;
  profile.Add(Traits("de", 10));
  for (size_t i = 0; i < LogProfile::kWindow; ++i) {
    profile.Add(Traits("en", 1000));
  }
  EXPECT_EQ(profile.size(), LogProfile::kWindow);
  EXPECT_EQ(profile.longer_is_better().total,
            static_cast<int64_t>(LogProfile::kWindow));
  EXPECT_FALSE(profile.HasLanguage("de"));
  EXPECT_GT(profile.UsualLengths().low, 900u);
}

TEST(LogProfileTest, ARareLanguageIsNotOneOfTheLogs) {
  LogProfile profile;
  for (int i = 0; i < 96; ++i) profile.Add(Traits("en", 10));
  for (int i = 0; i < 4; ++i) profile.Add(Traits("de", 10));
  for (int i = 0; i < 50; ++i) profile.Add(Traits("unknown", 10));
  EXPECT_EQ(profile.num_known_languages(), 100);
  EXPECT_TRUE(profile.HasLanguage("en"));
  EXPECT_FALSE(profile.HasLanguage("de"));
  EXPECT_FALSE(profile.HasLanguage("unknown"));
  EXPECT_FALSE(profile.HasLanguage("fr"));
}

TEST(LogProfileTest, UsualLengthsLeaveOutAHundredthAtEachEnd) {
  LogProfile profile;
  EXPECT_EQ(profile.UsualLengths().high, 0u);
  for (size_t length = 1000; length < 2000; ++length) {
    profile.Add(Traits("en", length));
  }
  const LogProfile::Lengths usual = profile.UsualLengths();
  EXPECT_NEAR(static_cast<double>(usual.low), 1010, 101);
  EXPECT_LE(usual.low, 1010u);
  EXPECT_NEAR(static_cast<double>(usual.high), 1990, 199);
  EXPECT_GE(usual.high, 1990u);
}

TEST(LogProfileTest, ResponsesOfOneLengthAreAllUsual) {
  LogProfile profile;
  for (int i = 0; i < 100; ++i) profile.Add(Traits("en", 137));
  EXPECT_LE(profile.UsualLengths().low, 137u);
  EXPECT_GE(profile.UsualLengths().high, 137u);
}

TEST(LogProfileTest, ChoicesAreCountedByKind) {
  LogProfile profile;
  profile.Add(TraitsOf(Make("a", "b", v1::TIE)));
  profile.Add(TraitsOf(Make("a", "b", v1::SKIPPED)));
  profile.Add(TraitsOf(Make("a", "b", v1::BOTH_BAD)));
  profile.Add(TraitsOf(Make("a", "b", v1::A_BETTER)));
  for (int kind = 0; kind < kNumChoiceKinds; ++kind) {
    EXPECT_EQ(profile.ChoiceShare(static_cast<ChoiceKind>(kind)).count, 1);
    EXPECT_EQ(profile.ChoiceShare(static_cast<ChoiceKind>(kind)).total, 4);
  }
}

}  // namespace
}  // namespace rlhf
