#include "feedback/batch/batch_report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

v1::BatchReport Quarantined() {
  v1::BatchReport report;
  report.set_batch_id("b1");
  report.set_source("import:f.jsonl");
  report.set_num_comparisons(60);
  SetVerdict({.kind = BatchVerdictKind::kQuarantined,
              .reason = "too many",
              .findings = {{"duplicates", false, "30 of 60"},
                           {"language", true, "0 of 60"}}},
             report);
  v1::RefusedRecord* const refused = report.add_refused();
  refused->set_line(7);
  refused->set_reason("the same");
  return report;
}

TEST(BatchReportTest, TextSaysWhatToDoAndMarksWhatToLookAt) {
  EXPECT_THAT(
      BatchReportText(Quarantined()),
      AllOf(StartsWith("60 comparisons waiting for a person: rlhf "
                       "feedback release|refuse b1 --config CONFIG --by"),
            HasSubstr("batch b1 (import:f.jsonl): quarantined\n"),
            HasSubstr("  LOOK duplicates         30 of 60\n"),
            HasSubstr("  ok   language           0 of 60\n"),
            HasSubstr("f.jsonl:7: the same\n")));
}

TEST(BatchReportTest, WhatWaitsIsWithoutGoldAndWithoutWhatWasTakenBack) {
  v1::BatchReport report = Quarantined();
  report.set_num_gold(10);
  report.set_num_of_retracted_workers(5);
  report.set_num_retracted(4);
  EXPECT_THAT(BatchReportText(report),
              StartsWith("41 comparisons waiting for a person"));
}

TEST(BatchReportTest, AllThatIsRefusedIsCountedHoweverLittleIsShown) {
  v1::BatchReport report = Quarantined();
  report.set_verdict(v1::BATCH_ACCEPTED);
  report.set_num_refused(2500);
  EXPECT_THAT(BatchReportText(report),
              AllOf(HasSubstr(" there before, 2500 refused\n"),
                    HasSubstr("showing 1 of 2500 refused records\n")));
  // As it was kept before all were counted.
  report.clear_num_refused();
  EXPECT_THAT(BatchReportText(report),
              AllOf(HasSubstr(" there before, 1 refused\n"),
                    Not(HasSubstr("showing"))));
}

TEST(BatchReportTest, ADecisionNamesWhoAndWhy) {
  v1::BatchReport report = Quarantined();
  EXPECT_EQ(StateOf(report), BatchState::kQuarantined);
  report.mutable_decision()->set_by("ada");
  report.mutable_decision()->set_reason("spam");
  EXPECT_EQ(StateOf(report), BatchState::kRefused);
  EXPECT_THAT(BatchReportText(report),
              AllOf(StartsWith("nothing was imported"),
                    HasSubstr("refused by ada: spam")));
  report.mutable_decision()->set_released(true);
  report.set_accepted(60);
  EXPECT_EQ(StateOf(report), BatchState::kReleased);
  EXPECT_THAT(BatchReportText(report), StartsWith("60 comparisons accepted"));
}

TEST(BatchReportTest, ADryRunSaysThatNothingWasWritten) {
  v1::BatchReport report = Quarantined();
  report.set_dry_run(true);
  EXPECT_THAT(BatchReportText(report),
              AllOf(StartsWith("dry run: nothing was written"),
                    HasSubstr("would be quarantined"),
                    Not(HasSubstr("release|refuse"))));
}

TEST(BatchReportTest, WorkersAreNamedUntilTheyAreForgotten) {
  v1::BatchReport report = Quarantined();
  SetVerdict({.kind = BatchVerdictKind::kQuarantined,
              .findings = {{"gold",
                            false,
                            "80 of 90; beyond it 2 workers",
                            {{"bob", "3 of 9"}, {"bobby", "2 of 9"}}}}},
             report);
  EXPECT_THAT(BatchReportText(report), AllOf(HasSubstr(" worker bob: 3 of 9\n"),
                                             HasSubstr(" worker bobby: 2 of")));
  EXPECT_FALSE(ForgetWorker("bo", report));
  EXPECT_TRUE(ForgetWorker("bob", report));
  EXPECT_FALSE(ForgetWorker("bob", report));
  EXPECT_THAT(BatchReportText(report),
              AllOf(Not(HasSubstr("worker bob:")),
                    HasSubstr(" a worker who was taken back: 3 of 9\n"),
                    HasSubstr(" worker bobby: 2 of 9\n")));
  EXPECT_TRUE(ForgetWorkers(report));
  EXPECT_FALSE(ForgetWorkers(report));
  EXPECT_THAT(BatchReportJson(report), Not(HasSubstr("bob")));
}

TEST(BatchReportTest, JsonBringsItBack) {
  const v1::BatchReport report = Quarantined();
  ASSERT_OK_AND_ASSIGN(
      const v1::BatchReport back,
      ReportOf({.batch_id = "b1", .report = BatchReportJson(report)}));
  EXPECT_EQ(back.SerializeAsString(), report.SerializeAsString());
  EXPECT_THAT(ReportOf({.batch_id = "b1", .report = "{"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("batch b1")));
}

}  // namespace
}  // namespace rlhf
