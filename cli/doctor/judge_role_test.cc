#include "cli/doctor/judge_role.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const Build kOwn = {.version = "0.2.0", .protocol = 4, .place = "here:1"};

RoleFigures Silent(Place place) {
  return {.role = "actor",
          .address = "a:7102",
          .answer = absl::UnavailableError("no answer"),
          .place = place};
}

TEST(JudgeRoleTest, OfOneThatDoesNotAnswerThePlaceDecides) {
  struct Case {
    Place place;
    Level before_start, beside_run;
    std::string words;
  };
  for (const Case& c : std::vector<Case>{
           {Place::kFree, Level::kOk, Level::kWarning, "free here"},
           {Place::kRefused, Level::kOk, Level::kWarning, "machine answers"},
           {Place::kInUse, Level::kFault, Level::kFault, "in use"},
           {Place::kReached, Level::kFault, Level::kFault, "in use"},
           {Place::kForbidden, Level::kFault, Level::kFault, "may not"},
           {Place::kUnknownHost, Level::kFault, Level::kFault, "no address"},
           {Place::kSilent, Level::kFault, Level::kFault, "does not answer"}}) {
    for (const bool run_is_up : {false, true}) {
      const Findings findings = JudgeRole(Silent(c.place), run_is_up, kOwn);
      ASSERT_THAT(findings, SizeIs(1));
      const Finding& finding = findings[0];
      EXPECT_EQ(finding.subject, "actor a:7102");
      EXPECT_EQ(finding.level, run_is_up ? c.beside_run : c.before_start)
          << c.words;
      EXPECT_THAT(finding.found, HasSubstr(c.words));
      EXPECT_EQ(finding.advice.empty(), finding.level == Level::kOk);
    }
  }
}

TEST(JudgeRoleTest, AnAnswerIsJudgedByReadinessBuildAndClock) {
  HealthAnswer answer = {.serving = true,
                         .round_trip = absl::Milliseconds(2),
                         .build = kOwn,
                         .clock_ahead = absl::Milliseconds(3)};
  const auto judge = [&] {
    return JudgeRole({.role = "actor", .address = "a:7102", .answer = answer},
                     true, kOwn);
  };
  ASSERT_THAT(judge(), SizeIs(3));
  for (const Finding& f : judge()) EXPECT_EQ(f.level, Level::kOk) << f.found;
  EXPECT_EQ(judge()[0].found, "serves, answers in 2.00 ms");
  answer.serving = false;
  EXPECT_EQ(judge()[0].level, Level::kWarning);
  answer.clock_ahead.reset();
  EXPECT_THAT(judge(), SizeIs(2));
}

TEST(JudgeClockTest, TheTableOfItsLimits) {
  const auto level = [](double seconds, double within) {
    return JudgeClock("x", absl::Seconds(seconds), absl::Seconds(within)).level;
  };
  EXPECT_EQ(level(0.9, 0), Level::kOk);
  EXPECT_EQ(level(-1.1, 0), Level::kWarning);
  // Only what is sure counts.
  EXPECT_EQ(level(1.1, 0.2), Level::kOk);
  EXPECT_EQ(level(61, 0.1), Level::kFault);
  EXPECT_EQ(level(-61, 0.1), Level::kFault);
}

TEST(JudgeClockTest, SaysWhichIsAhead) {
  EXPECT_EQ(
      JudgeClock("x", absl::Milliseconds(-1500), absl::Milliseconds(2)).found,
      "1500.00 ms behind ours, to within 2.00 ms");
  EXPECT_THAT(
      JudgeClock("x", absl::Milliseconds(1), absl::ZeroDuration()).found,
      HasSubstr("1.00 ms ahead of ours"));
}

TEST(JudgeBuildTest, TheTableOfItsLimits) {
  const auto judge = [](const std::string& version, int protocol) {
    return JudgeBuild(
        "x", Build{.version = version, .protocol = protocol, .place = "b:1"},
        kOwn);
  };
  EXPECT_EQ(judge("0.2.0", 4).level, Level::kOk);
  EXPECT_EQ(judge("0.1.9", 4).level, Level::kWarning);
  EXPECT_EQ(judge("0.2.0", 5).level, Level::kWarning);
  EXPECT_EQ(judge("0.2.0", 6).level, Level::kFault);
  EXPECT_THAT(judge("0.2.0", 6).advice, HasSubstr("update the caller"));
  EXPECT_EQ(JudgeBuild("x", std::nullopt, kOwn).level, Level::kWarning);
}

TEST(JudgePortTest, APortInUseIsAFaultUnlessItsOwnerIsUp) {
  const absl::Status taken = absl::AlreadyExistsError("in use");
  const auto level = [](const absl::Status& status, bool owner_is_up) {
    return JudgePort("f", "127.0.0.1:1", status, owner_is_up).level;
  };
  EXPECT_EQ(level(absl::OkStatus(), false), Level::kOk);
  EXPECT_EQ(level(taken, true), Level::kOk);
  EXPECT_EQ(level(taken, false), Level::kFault);
  EXPECT_EQ(level(absl::UnavailableError("no such address"), true),
            Level::kFault);
}

}  // namespace
}  // namespace rlhf
