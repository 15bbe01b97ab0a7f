#include "trainer/revert_rule.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

v1::UpdateReport Report(double kl) {
  v1::UpdateReport report;
  report.set_update(7);
  report.set_kl_k1_nats_per_token(kl);
  return report;
}

TEST(RevertRuleTest, SpeaksWhenTheLimitIsPassedAndNotAtIt) {
  ASSERT_OK_AND_ASSIGN(const RevertRule above,
                       RevertRule::Parse("kl_k1_nats_per_token > 0.5"));
  EXPECT_EQ(above.Judge(Report(0.5)), "");
  EXPECT_EQ(above.Judge(Report(0.75)),
            "kl_k1_nats_per_token of update 7 is 0.75, above 0.5");
  ASSERT_OK_AND_ASSIGN(const RevertRule below,
                       RevertRule::Parse("kl_k1_nats_per_token  <  -1"));
  EXPECT_EQ(below.Judge(Report(-1)), "");
  EXPECT_THAT(below.Judge(Report(-2)), HasSubstr("is -2, below -1"));
}

TEST(RevertRuleTest, WhatIsNoNumberIsBeyondEveryLimit) {
  for (const char* text :
       {"kl_k1_nats_per_token > 0.5", "kl_k1_nats_per_token < 0.5"}) {
    ASSERT_OK_AND_ASSIGN(const RevertRule rule, RevertRule::Parse(text));
    EXPECT_THAT(rule.Judge(Report(std::nan(""))), HasSubstr("is nan"));
  }
}

TEST(RevertRuleTest, AnUpdateThatWasLeftOutTellsNothing) {
  ASSERT_OK_AND_ASSIGN(const RevertRule rule,
                       RevertRule::Parse("kl_k1_nats_per_token > 0.5"));
  v1::UpdateReport report = Report(9);
  report.set_left_out("diverged");
  EXPECT_EQ(rule.Judge(report), "");
}

TEST(RevertRuleTest, SaysWhatARuleLooksLike) {
  for (const char* text :
       {"", "kl_k1_nats_per_token", "kl_k1_nats_per_token >",
        "kl_k1_nats_per_token >= 1", "kl_k1_nats_per_token > much",
        "kl_k1_nats_per_token > nan", "kl_k1_nats_per_token > 1 2"}) {
    EXPECT_THAT(RevertRule::Parse(text).status(),
                StatusIs(StatusCode::kInvalidArgument,
                         HasSubstr("wanted METRIC > LIMIT or METRIC < LIMIT, "
                                   "such as kl_k1_nats_per_token > 0.5")))
        << text;
  }
}

TEST(RevertRuleTest, NamesTheNearestMetric) {
  EXPECT_THAT(RevertRule::Parse("kl_k1_nats_per_tokn > 1").status(),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("\"kl_k1_nats_per_tokn\""),
                             HasSubstr("did you mean "
                                       "\"kl_k1_nats_per_token\"?"))));
  for (const char* text : {"pm > 1", "members > 1", "num_rollouts > 1"}) {
    EXPECT_THAT(
        RevertRule::Parse(text).status(),
        StatusIs(StatusCode::kInvalidArgument, HasSubstr("cannot be watched")))
        << text;
  }
}

}  // namespace
}  // namespace rlhf
