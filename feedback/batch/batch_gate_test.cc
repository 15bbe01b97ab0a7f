#include "feedback/batch/batch_gate.h"

#include <set>

#include "feedback/batch/batch_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// 1,000 comparisons that nothing stands against.
BatchEvidence Clean() {
  BatchEvidence evidence;
  evidence.num_comparisons = 1000;
  evidence.malformed = {.count = 0, .total = 1000};
  evidence.exact_duplicates = {.count = 5, .total = 1000};
  evidence.near_duplicates = {.count = 5, .total = 1000};
  evidence.personal_data = {.count = 3, .total = 1000};
  evidence.other_language = {.count = 0, .total = 900};
  evidence.everybody.left = {.count = 500, .total = 1000};
  evidence.everybody.longer = {.count = 550, .total = 1000};
  evidence.log_longer = {.count = 2750, .total = 5000};
  return evidence;
}

// The checks that fail.
std::vector<std::string> Failed(const BatchVerdict& verdict) {
  std::vector<std::string> failed;
  for (const BatchFinding& finding : verdict.findings) {
    if (!finding.passed) failed.push_back(finding.check);
  }
  return failed;
}

std::string Detail(const BatchVerdict& verdict, const std::string& check) {
  for (const BatchFinding& finding : verdict.findings) {
    if (finding.check == check) return finding.detail;
  }
  return "";
}

std::vector<WorkerFinding> Workers(const BatchVerdict& verdict,
                                   const std::string& check) {
  for (const BatchFinding& finding : verdict.findings) {
    if (finding.check == check) return finding.workers;
  }
  return {};
}

TEST(BatchGateTest, AcceptsWhatNothingStandsAgainst) {
  const BatchVerdict verdict = JudgeBatch(Clean());
  EXPECT_EQ(verdict.kind, BatchVerdictKind::kAccepted);
  EXPECT_THAT(Failed(verdict), IsEmpty());
  EXPECT_EQ(verdict.reason, "nothing stands against 1000 comparisons");
}

TEST(BatchGateTest, ReportsEveryCheckInOrder) {
  std::vector<std::string> checks;
  for (const BatchFinding& finding : JudgeBatch(Clean()).findings) {
    checks.push_back(finding.check);
    EXPECT_FALSE(finding.detail.empty()) << finding.check;
  }
  EXPECT_EQ(checks, BatchChecks());
}

TEST(BatchGateTest, ManyMalformedRecordsRefuse) {
  BatchEvidence evidence = Clean();
  evidence.malformed = {.count = 300, .total = 1000};
  const BatchVerdict verdict = JudgeBatch(evidence);
  EXPECT_EQ(verdict.kind, BatchVerdictKind::kRefused);
  EXPECT_THAT(Failed(verdict), ElementsAre("malformed"));
  EXPECT_THAT(verdict.reason, AllOf(HasSubstr("300 of 1000 (30.0 %"),
                                    HasSubstr("at most 20.0 %")));
}

TEST(BatchGateTest, ALimitIsCrossedOnlySurely) {
  BatchEvidence evidence = Clean();
  // 21.5 %: its interval reaches below the limit of 20 %.
  evidence.exact_duplicates.count = 210;
  EXPECT_THAT(Failed(JudgeBatch(evidence)), IsEmpty());
  evidence.exact_duplicates.count = 230;
  EXPECT_THAT(Failed(JudgeBatch(evidence)), ElementsAre("duplicates"));
}

TEST(BatchGateTest, EachShareHasItsOwnLimit) {
  struct Case {
    const char* check;
    void (*spoil)(BatchEvidence&);
  };
  for (const Case& one : {
           Case{"personal_data",
                [](BatchEvidence& e) { e.personal_data.count = 50; }},
           Case{"language",
                [](BatchEvidence& e) { e.other_language.count = 600; }},
           Case{"position",
                [](BatchEvidence& e) { e.everybody.left.count = 760; }},
           Case{"position",
                [](BatchEvidence& e) { e.everybody.left.count = 240; }},
           Case{"too_fast",
                [](BatchEvidence& e) {
                  e.everybody.too_fast = {.count = 300, .total = 1000};
                }},
           Case{"gold",
                [](BatchEvidence& e) {
                  e.everybody.gold_right = {.count = 50, .total = 100};
                }},
           Case{"pm_agreement",
                [](BatchEvidence& e) {
                  e.everybody.pm_agrees = {.count = 70, .total = 200};
                }},
           Case{"edit_agreement",
                [](BatchEvidence& e) {
                  e.everybody.pm_agrees = {.count = 200, .total = 200};
                  e.everybody.edits_agree = {.count = 70, .total = 200};
                }},
           Case{"worker_agreement",
                [](BatchEvidence& e) {
                  e.everybody.others_agree = {.count = 70, .total = 200};
                }},
           Case{"length_preference",
                [](BatchEvidence& e) { e.everybody.longer.count = 800; }},
           Case{"length_preference",
                [](BatchEvidence& e) { e.everybody.longer.count = 300; }},
           Case{"response_length",
                [](BatchEvidence& e) {
                  e.unusual_length = {.count = 300, .total = 2000};
                }},
           Case{"choice_mix",
                [](BatchEvidence& e) {
                  e.choices[0] = {.count = 600, .total = 1000};
                  e.choices[1] = {.count = 400, .total = 1000};
                  for (SeenShare& share : e.log_choices) share.total = 5000;
                  e.log_choices[0].count = 5000;
                }},
       }) {
    BatchEvidence evidence = Clean();
    one.spoil(evidence);
    const BatchVerdict verdict = JudgeBatch(evidence);
    EXPECT_EQ(verdict.kind, BatchVerdictKind::kQuarantined) << one.check;
    EXPECT_THAT(Failed(verdict), ElementsAre(one.check));
  }
}

TEST(BatchGateTest, LengthsAndChoicesMayShiftByTheirOwnLimits) {
  BatchEvidence evidence = Clean();
  evidence.everybody.longer.count = 800;
  evidence.choices[0] = {.count = 600, .total = 1000};
  evidence.choices[1] = {.count = 400, .total = 1000};
  for (SeenShare& share : evidence.log_choices) share.total = 5000;
  evidence.log_choices[0].count = 5000;
  EXPECT_THAT(Failed(JudgeBatch(evidence, {.max_length_shift = 1})),
              ElementsAre("choice_mix"));
  EXPECT_THAT(Failed(JudgeBatch(evidence, {.max_choice_shift = 1})),
              ElementsAre("length_preference"));
}

TEST(BatchGateTest, OneWorkerIsSeenAmongMany) {
  BatchEvidence evidence = Clean();
  AnswerEvidence worker = {.worker_id = "lefty"};
  worker.left = {.count = 50, .total = 50};
  evidence.workers = {{.worker_id = "ada"}, worker};
  const BatchVerdict verdict = JudgeBatch(evidence);
  EXPECT_THAT(Failed(verdict), ElementsAre("position"));
  EXPECT_THAT(Detail(verdict, "position"), HasSubstr("beyond it 1 worker"));
  const std::vector<WorkerFinding> named = Workers(verdict, "position");
  ASSERT_THAT(named, SizeIs(1));
  EXPECT_EQ(named[0].worker_id, "lefty");
  EXPECT_THAT(named[0].detail, HasSubstr("50 of 50 (100.0 %, 99.9 %"));
  EXPECT_THAT(verdict.reason, Not(HasSubstr("lefty"))) << "it is logged";
}

TEST(BatchGateTest, AFewAnswersOfOneWorkerSayNothing) {
  BatchEvidence evidence = Clean();
  AnswerEvidence worker = {.worker_id = "lefty"};
  worker.left = {.count = 10, .total = 10};
  evidence.workers = {worker};
  EXPECT_THAT(Failed(JudgeBatch(evidence)), IsEmpty());
}

TEST(BatchGateTest, ManyBadWorkersDoNotFillTheReport) {
  BatchEvidence evidence = Clean();
  for (int i = 0; i < 100; ++i) {
    AnswerEvidence worker = {.worker_id = "w"};
    worker.left = {.count = 50, .total = 50};
    evidence.workers.push_back(worker);
  }
  const BatchVerdict verdict = JudgeBatch(evidence);
  EXPECT_THAT(Detail(verdict, "position"), HasSubstr("100 workers"));
  EXPECT_THAT(Workers(verdict, "position"), SizeIs(5));
}

TEST(BatchGateTest, WhoAgreesTooOftenHasCopied) {
  BatchEvidence evidence = Clean();
  AnswerEvidence worker = {.worker_id = "echo"};
  worker.twin = {.count = 200, .total = 200};
  evidence.workers = {worker};
  const BatchVerdict verdict = JudgeBatch(evidence);
  EXPECT_THAT(Failed(verdict), ElementsAre("copied_answers"));
  EXPECT_THAT(verdict.reason,
              HasSubstr("1 worker surely in agreement with one other"));
  EXPECT_EQ(Workers(verdict, "copied_answers").at(0).worker_id, "echo");
  evidence.workers[0].twin = {.count = 170, .total = 200};
  EXPECT_THAT(Failed(JudgeBatch(evidence)), IsEmpty());
}

TEST(BatchGateTest, WhatWasNotSeenPassesAndSaysSo) {
  BatchEvidence evidence = Clean();
  evidence.no_pm = "no PM serves yet";
  const BatchVerdict verdict = JudgeBatch(evidence);
  EXPECT_THAT(Detail(verdict, "pm_agreement"),
              HasSubstr("not checked, no PM serves yet"));
  EXPECT_THAT(Detail(verdict, "gold"), HasSubstr("not checked"));
}

TEST(BatchGateTest, ASmallBatchIsJudgedOneByOne) {
  BatchEvidence evidence;
  evidence.num_comparisons = 10;
  evidence.malformed = {.count = 0, .total = 10};
  evidence.exact_duplicates = {.count = 10, .total = 10};
  evidence.everybody.left = {.count = 10, .total = 10};
  evidence.personal_data = {.count = 0, .total = 10};
  BatchVerdict verdict = JudgeBatch(evidence);
  EXPECT_EQ(verdict.kind, BatchVerdictKind::kAccepted);
  EXPECT_THAT(verdict.reason, HasSubstr("too few for shares"));

  evidence.personal_data.count = 1;
  evidence.personal_data_lines = {7};
  verdict = JudgeBatch(evidence);
  EXPECT_THAT(Failed(verdict), ElementsAre("personal_data"));
  EXPECT_THAT(Detail(verdict, "personal_data"), EndsWith("; in lines 7"));
  evidence.malformed.count = 1;
  verdict = JudgeBatch(evidence);
  EXPECT_EQ(verdict.kind, BatchVerdictKind::kRefused);
  EXPECT_THAT(verdict.reason, HasSubstr("of so few none may be"));
}

TEST(BatchGateTest, SmallBatchesAreJudgedTogetherOnceTheyAreEnough) {
  BatchEvidence batch;
  batch.num_comparisons = 1;
  batch.malformed = {.count = 0, .total = 1};
  BatchEvidence window = batch;
  window.num_comparisons = 49;
  window.everybody.pm_agrees = {.count = 0, .total = 49};
  EXPECT_EQ(JudgeSmallBatch(batch, window).kind, BatchVerdictKind::kAccepted);
  window.num_comparisons = 50;
  const BatchVerdict verdict = JudgeSmallBatch(batch, window);
  EXPECT_EQ(verdict.kind, BatchVerdictKind::kQuarantined);
  EXPECT_THAT(Failed(verdict), ElementsAre("pm_agreement"));
  EXPECT_THAT(verdict.reason,
              HasSubstr("of the last 50 from there, this batch among them"));
  EXPECT_TRUE(verdict.suspects_those_before);
}

// It is looked at again with every comparison that drips in.
TEST(BatchGateTest, TogetherALimitIsCrossedMoreSurelyThanAlone) {
  BatchEvidence window = Clean();
  window.everybody.pm_agrees = {.count = 85, .total = 200};
  EXPECT_THAT(Failed(JudgeBatch(window)), ElementsAre("pm_agreement"));
  BatchEvidence batch;
  batch.num_comparisons = 1;
  EXPECT_THAT(Failed(JudgeSmallBatch(batch, window)), IsEmpty());
  EXPECT_FALSE(JudgeSmallBatch(batch, window).suspects_those_before);
  window.everybody.pm_agrees = {.count = 70, .total = 200};
  EXPECT_THAT(Failed(JudgeSmallBatch(batch, window)),
              ElementsAre("pm_agreement"));
}

TEST(BatchGateTest, PersonalDataOfASmallBatchSuspectsNothingElse) {
  BatchEvidence batch;
  batch.num_comparisons = 1;
  batch.personal_data = {.count = 1, .total = 1};
  const BatchVerdict verdict = JudgeSmallBatch(batch, Clean());
  EXPECT_THAT(Failed(verdict), ElementsAre("personal_data"));
  EXPECT_FALSE(verdict.suspects_those_before);
}

TEST(BatchGateTest, FewComparisonsOfManyRecordsAreNoSmallBatch) {
  BatchEvidence evidence;
  evidence.num_comparisons = 10;
  evidence.malformed = {.count = 990, .total = 1000};
  const BatchVerdict verdict = JudgeBatch(evidence);
  EXPECT_EQ(verdict.kind, BatchVerdictKind::kRefused);
  EXPECT_THAT(verdict.reason, HasSubstr("990 of 1000"));
}

TEST(BatchGateTest, LimitsAreThoseOfTheConfiguration) {
  v1::FeedbackConfig config;
  const BatchLimits defaults = LimitsOf(config);
  EXPECT_EQ(defaults.min_size, BatchLimits().min_size);
  EXPECT_EQ(defaults.max_malformed_share, BatchLimits().max_malformed_share);
  EXPECT_EQ(defaults.max_duplicate_share, BatchLimits().max_duplicate_share);
  EXPECT_EQ(defaults.max_personal_data_share,
            BatchLimits().max_personal_data_share);
  EXPECT_EQ(defaults.max_position_bias, BatchLimits().max_position_bias);
  EXPECT_EQ(defaults.max_length_shift, BatchLimits().max_length_shift);
  EXPECT_EQ(defaults.max_choice_shift, BatchLimits().max_choice_shift);
  EXPECT_EQ(defaults.max_too_fast_share, BatchLimits().max_too_fast_share);
  EXPECT_EQ(defaults.min_pm_agreement, BatchLimits().min_pm_agreement);
  EXPECT_EQ(defaults.min_worker_agreement, BatchLimits().min_worker_agreement);
  EXPECT_EQ(defaults.max_other_language_share,
            BatchLimits().max_other_language_share);
  EXPECT_EQ(defaults.min_gold_accuracy, BatchLimits().min_gold_accuracy);
  config.mutable_batch_gate()->set_max_duplicate_share(0.5);
  config.mutable_worker_test()->set_good_accuracy(0.9);
  config.mutable_batch_gate()->set_max_choice_shift(0.4);
  EXPECT_EQ(LimitsOf(config).max_duplicate_share, 0.5);
  EXPECT_EQ(LimitsOf(config).max_choice_shift, 0.4);
  EXPECT_EQ(LimitsOf(config).max_length_shift, 0.2);
  EXPECT_EQ(LimitsOf(config).min_gold_accuracy, 0.9);
}

// What the gate promises of a real batch, from comparisons to verdict: honest
// ones pass, a worker who always takes the left does not.
TEST(BatchGateTest, SeesALeftClickerInComparisons) {
  FixtureLog log;
  std::vector<v1::Comparison> batch;
  for (int i = 0; i < 400; ++i) {
    v1::Comparison comparison =
        FixtureComparison(i, i % 5 == 0 ? "lefty" : "ada",
                          i % 2 == 0 ? v1::A_BETTER : v1::B_BETTER);
    comparison.set_shown_swapped((i / 2) % 2 == 1);
    batch.push_back(comparison);
  }
  EXPECT_THAT(Failed(JudgeBatch(Measured(batch, log.background()))), IsEmpty());
  for (v1::Comparison& comparison : batch) {
    if (comparison.worker_id() != "lefty") continue;
    comparison.set_choice(comparison.shown_swapped() ? v1::B_BETTER
                                                     : v1::A_BETTER);
  }
  EXPECT_THAT(Failed(JudgeBatch(Measured(batch, log.background()))),
              ElementsAre("position"));
}

}  // namespace
}  // namespace rlhf
