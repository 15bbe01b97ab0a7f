#include "cli/lineage.h"

#include "core/base/hash.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr int64_t kReadFirst = 1000, kRetracted = 1500, kReadSecond = 2000;

v1::Comparison MakeComparison(int64_t seq, v1::Choice choice) {
  v1::Comparison comparison;
  comparison.set_seq(seq);
  comparison.set_choice(choice);
  comparison.set_strength(2);
  comparison.set_source("page");
  comparison.mutable_prompt()->set_prompt_id("p");
  return comparison;
}

// Three comparisons, the third a tie; a PM of the first two, one of all. The
// first PM rewarded updates 1 and 2, the second 3 and 4.
RunRecords MakeRecords() {
  RunRecords records;
  records.preference.set_held_out_share(0);
  records.preference.set_min_strength(1);
  records.comparisons = {MakeComparison(1, v1::A_BETTER),
                         MakeComparison(2, v1::B_BETTER),
                         MakeComparison(3, v1::TIE)};
  for (const int64_t version : {1, 2}) {
    v1::PmReport& pm = records.pms.emplace_back();
    pm.mutable_pm()->set_version(version);
    pm.mutable_data()->set_last_seq(version + 1);
    pm.mutable_data()->set_read_unix_ms(version == 1 ? kReadFirst
                                                     : kReadSecond);
  }
  for (const int64_t update : {1, 2, 3, 4}) {
    v1::UpdateReport& report = records.updates.emplace_back();
    report.set_update(update);
    report.set_policy_version(update);
    report.mutable_pm()->set_version(update <= 2 ? 1 : 2);
  }
  return records;
}

using Versions = std::set<int64_t>;

TEST(LineageTest, AComparisonTeachesThePmsThatReadIt) {
  const RunRecords records = MakeRecords();
  EXPECT_EQ(PmsTaughtBy(records, records.comparisons[0]), (Versions{1, 2}));
  EXPECT_EQ(PmsTaughtBy(records, records.comparisons[2]), Versions{})
      << "a tie names no better response";
}

TEST(LineageTest, WhatMeasuresTeachesNobody) {
  RunRecords records = MakeRecords();
  records.preference.set_held_out_share(1);
  EXPECT_EQ(PmsTaughtBy(records, records.comparisons[0]), Versions{});
}

TEST(LineageTest, ARetractedOneTaughtThoseThatReadItBefore) {
  RunRecords records = MakeRecords();
  records.comparisons[0].set_choice(v1::RETRACTED);
  records.retracted_unix_ms[1] = kRetracted;
  EXPECT_EQ(PmsTaughtBy(records, records.comparisons[0]), Versions{1});
}

TEST(LineageTest, AMillisecondDoesNotTellWhatCameFirst) {
  RunRecords records = MakeRecords();
  records.comparisons[0].set_choice(v1::RETRACTED);
  records.retracted_unix_ms[1] = kReadSecond;
  EXPECT_EQ(PmsTaughtBy(records, records.comparisons[0]), (Versions{1, 2}));
}

TEST(LineageTest, ARetractedWorkersComparisonsAreKnownByTheDigest) {
  RunRecords records = MakeRecords();
  v1::Comparison& one = records.comparisons[0];
  one.set_worker_id("ada");
  EXPECT_TRUE(IsOfWorker(records, one, "ada"));
  one.clear_worker_id();
  one.set_choice(v1::RETRACTED);
  EXPECT_FALSE(IsOfWorker(records, one, "ada")) << "nobody said whose it was";
  EXPECT_FALSE(IsOfWorker(records, one, ""));
  records.retracted_workers[1] = Sha256Hex("ada");
  EXPECT_TRUE(IsOfWorker(records, one, "ada"));
  EXPECT_FALSE(IsOfWorker(records, one, "eve"));
}

TEST(LineageTest, ARetractedAnswerToAGoldQuestionTaughtNobody) {
  RunRecords records = MakeRecords();
  records.comparisons[0].set_choice(v1::RETRACTED);
  records.comparisons[0].set_source("gold");
  records.retracted_unix_ms[1] = kRetracted;
  EXPECT_EQ(PmsTaughtBy(records, records.comparisons[0]), Versions{});
}

TEST(LineageTest, AWarmStartedPmHasWhatTheOnesBeforeItLearned) {
  RunRecords records = MakeRecords();
  records.comparisons[0].set_choice(v1::RETRACTED);
  records.retracted_unix_ms[1] = kRetracted;
  records.preference.set_refresh_mode(v1::PreferenceConfig::WARM_START);
  EXPECT_EQ(PmsTaughtBy(records, records.comparisons[0]), (Versions{1, 2}));
}

TEST(LineageTest, PoliciesKeepWhatTheyLearnedUntilTheyBeginAgain) {
  RunRecords records = MakeRecords();
  EXPECT_EQ(PoliciesTaughtBy(records, {1}), (Versions{1, 2, 3, 4}));
  EXPECT_EQ(PoliciesTaughtBy(records, {2}), (Versions{3, 4}));
  records.updates[3].set_policy_restarted(true);
  EXPECT_EQ(PoliciesTaughtBy(records, {1}), (Versions{1, 2, 3}));
  EXPECT_EQ(PmsBehindPolicy(records, 3), (Versions{1, 2}));
  EXPECT_EQ(PmsBehindPolicy(records, 4), Versions{2});
}

TEST(LineageTest, AnUpdateThatWasLeftOutTeachesNothing) {
  RunRecords records = MakeRecords();
  records.updates[0].set_left_out("the KL exploded");
  EXPECT_EQ(PoliciesTaughtBy(records, {1}), (Versions{2, 3, 4}));
}

TEST(LineageTest, TeachersOfAPmAreThoseThatItRead) {
  const RunRecords records = MakeRecords();
  const auto found = ComparisonsBehindPms(records, {1});
  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(found[1]->seq(), 2);
}

TEST(LineageTest, VersionsAreToldInRanges) {
  EXPECT_EQ(VersionList({}), "none");
  EXPECT_EQ(VersionList({1, 2, 3, 5}), "v1 to v3, v5");
}

}  // namespace
}  // namespace rlhf
