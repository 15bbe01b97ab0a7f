#include "cli/lineage.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "core/base/hash.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

// A retraction between the readings of the two PMs' data, and what each saw.
constexpr int64_t kSeenFirst = 4, kRetraction = 5, kSeenSecond = 6;

v1::Comparison MakeComparison(int64_t seq, v1::Choice choice) {
  v1::Comparison comparison;
  comparison.set_seq(seq);
  comparison.set_choice(choice);
  comparison.set_strength(2);
  comparison.set_source("page");
  comparison.mutable_prompt()->set_prompt_id("p");
  return comparison;
}

v1::PreferenceConfig MakePreference() {
  v1::PreferenceConfig preference;
  preference.set_held_out_share(0);
  preference.set_min_strength(1);
  return preference;
}

// A PM of the first two comparisons, one of the first three, neither grown from
// the other. The first PM rewarded updates 1 and 2, the second 3 and 4. Today's
// configuration would teach by nothing.
RunRecords MakeRecords() {
  RunRecords records;
  records.preference.set_held_out_share(1);
  for (const int64_t version : {1, 2}) {
    v1::PmReport& pm = records.pms.emplace_back();
    pm.mutable_pm()->set_version(version);
    records.trainings[version].preference = MakePreference();
    pm.mutable_data()->set_last_seq(version + 1);
    pm.mutable_data()->set_num_retractions(version == 1 ? kSeenFirst
                                                        : kSeenSecond);
    // The clock was set back meanwhile.
    pm.mutable_data()->set_read_unix_ms(version == 1 ? 2000 : 1000);
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

v1::Comparison First() { return MakeComparison(1, v1::A_BETTER); }

TEST(LineageTest, AComparisonTeachesThePmsThatReadIt) {
  const RunRecords records = MakeRecords();
  EXPECT_EQ(PmsTaughtBy(records, First()), (Versions{1, 2}));
  EXPECT_EQ(PmsTaughtBy(records, MakeComparison(3, v1::B_BETTER)), Versions{2});
  EXPECT_EQ(PmsTaughtBy(records, MakeComparison(3, v1::TIE)), Versions{})
      << "a tie names no better response";
}

TEST(LineageTest, WhatMeasuresTeachesNobody) {
  RunRecords records = MakeRecords();
  records.trainings[1].preference.set_held_out_share(1);
  EXPECT_EQ(PmsTaughtBy(records, First()), Versions{2}) << "it did not for v1";
}

TEST(LineageTest, AnExtraAnswerTaughtNobodyRetractedOrNot) {
  RunRecords records = MakeRecords();
  v1::Comparison extra = First();
  extra.set_extra(true);
  EXPECT_EQ(PmsTaughtBy(records, extra), Versions{});
  extra.set_choice(v1::RETRACTED);
  records.retraction_numbers[1] = kRetraction;
  EXPECT_EQ(PmsTaughtBy(records, extra), Versions{});
}

TEST(LineageTest, EachPmLearnedByTheConfigurationOfItsTraining) {
  RunRecords records = MakeRecords();
  v1::Comparison weak = First();
  weak.set_strength(1);
  records.trainings[2].preference.set_min_strength(2);
  EXPECT_EQ(PmsTaughtBy(records, weak), Versions{1});
  v1::PmSource& source = *records.trainings[1].preference.add_sources();
  source.add_from("page");
  source.set_weight(0);
  EXPECT_EQ(PmsTaughtBy(records, First()), Versions{2});
  EXPECT_EQ(PmsOfUnknownTraining(records), Versions{});
}

TEST(LineageTest, OfAnOlderPmTodaysConfigurationTellsAndThatIsSaid) {
  RunRecords records = MakeRecords();
  records.trainings.erase(1);
  EXPECT_EQ(PmsTaughtBy(records, First()), Versions{2});
  EXPECT_EQ(PmsOfUnknownTraining(records), Versions{1});
  records.preference = MakePreference();
  EXPECT_EQ(PmsTaughtBy(records, First()), (Versions{1, 2}));
}

TEST(LineageTest, ARetractedOneTaughtThoseThatReadItBefore) {
  RunRecords records = MakeRecords();
  records.retraction_numbers[1] = kRetraction;
  EXPECT_EQ(PmsTaughtBy(records, MakeComparison(1, v1::RETRACTED)),
            Versions{1});
}

TEST(LineageTest, ARetractionThatIsNotToldYetIsOfJustNow) {
  EXPECT_EQ(PmsTaughtBy(MakeRecords(), MakeComparison(1, v1::RETRACTED)),
            (Versions{1, 2}));
}

TEST(LineageTest, TheLastRetractionThatAPmSawLeftItNothing) {
  RunRecords records = MakeRecords();
  const v1::Comparison retracted = MakeComparison(1, v1::RETRACTED);
  records.retraction_numbers[1] = kSeenFirst;
  EXPECT_EQ(PmsTaughtBy(records, retracted), Versions{});
  records.retraction_numbers[1] = kSeenSecond;
  EXPECT_EQ(PmsTaughtBy(records, retracted), Versions{1});
  records.retraction_numbers[1] = kSeenSecond + 1;
  EXPECT_EQ(PmsTaughtBy(records, retracted), (Versions{1, 2}));
}

TEST(LineageTest, APmOfAnOlderVersionMayHaveReadAllThatWasRetracted) {
  RunRecords records = MakeRecords();
  records.retraction_numbers[1] = 1;
  records.pms[1].mutable_data()->clear_num_retractions();
  EXPECT_EQ(PmsTaughtBy(records, MakeComparison(1, v1::RETRACTED)),
            Versions{2});
}

TEST(LineageTest, ARetractedWorkersComparisonsAreKnownByTheDigest) {
  RunRecords records = MakeRecords();
  v1::Comparison one = First();
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

TEST(LineageTest, AnAnswerThatWasAnsweredAnewIsStillItsWorkers) {
  RunRecords records = MakeRecords();
  v1::Retraction replaced;
  replaced.set_number(kRetraction);
  replaced.set_seq(1);
  replaced.set_replaced_by(2);
  replaced.set_replaced_worker_digest(Sha256Hex("ada"));
  AddRetraction(replaced, records);
  const v1::Comparison old = MakeComparison(1, v1::RETRACTED);
  EXPECT_TRUE(IsOfWorker(records, old, "ada"));
  EXPECT_FALSE(IsOfWorker(records, old, "eve"));
  EXPECT_EQ(PmsTaughtBy(records, old), Versions{1});
}

TEST(LineageTest, ARetractedAnswerToAGoldQuestionTaughtNobody) {
  RunRecords records = MakeRecords();
  v1::Comparison gold = MakeComparison(1, v1::RETRACTED);
  gold.set_source("gold");
  records.retraction_numbers[1] = kRetraction;
  EXPECT_EQ(PmsTaughtBy(records, gold), Versions{});
}

TEST(LineageTest, APmHasWhatTheOneThatItGrewFromLearned) {
  RunRecords records = MakeRecords();
  records.retraction_numbers[1] = kRetraction;
  const v1::Comparison retracted = MakeComparison(1, v1::RETRACTED);
  records.preference.set_refresh_mode(v1::PreferenceConfig::WARM_START);
  EXPECT_EQ(PmsTaughtBy(records, retracted), Versions{1})
      << "v2 began anew, whatever is done today";
  records.trainings[2].started_from = 1;
  EXPECT_EQ(PmsTaughtBy(records, retracted), (Versions{1, 2}));
  records.trainings.erase(2);
  EXPECT_EQ(PmsTaughtBy(records, retracted), (Versions{1, 2}))
      << "it may have grown from v1";
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

TEST(LineageTest, TeachersOfAPmAreCountedByWhatTheyName) {
  const RunRecords records = MakeRecords();
  Teachers teachers;
  for (int64_t seq = 1; seq <= 4; ++seq) {
    v1::Comparison one = MakeComparison(seq, v1::B_BETTER);
    one.set_worker_id(seq == 1 ? "ada" : "ben");
    CountTeacher(records, {1}, one, teachers);
  }
  EXPECT_EQ(teachers.num_comparisons, 4);
  EXPECT_EQ(teachers.num_teaching, 2) << "v1 read the first two";
  using Counts = std::map<std::string, int64_t>;
  EXPECT_EQ(teachers.workers, (Counts{{"ada", 1}, {"ben", 1}}));
  EXPECT_EQ(teachers.batches, Counts()) << "they came in none";
  EXPECT_EQ(teachers.sources, (Counts{{"page", 2}}));
}

TEST(LineageTest, PupilsAreCountedOverAllThatIsAsked) {
  RunRecords records = MakeRecords();
  records.retraction_numbers[2] = kRetraction;
  Pupils pupils;
  CountPupils(records, MakeComparison(2, v1::RETRACTED), pupils);
  EXPECT_EQ(pupils.pms, Versions{1});
  CountPupils(records, MakeComparison(3, v1::A_BETTER), pupils);
  CountPupils(records, MakeComparison(4, v1::A_BETTER), pupils);
  EXPECT_EQ(pupils.num_comparisons, 3);
  EXPECT_EQ(pupils.num_retracted, 1);
  EXPECT_EQ(pupils.num_teaching, 2);
  EXPECT_EQ(pupils.pms, (Versions{1, 2}));
}

TEST(LineageTest, VersionsAreToldInRanges) {
  EXPECT_EQ(VersionList({}), "none");
  EXPECT_EQ(VersionList({1, 2, 3, 5}), "v1 to v3, v5");
}

}  // namespace
}  // namespace rlhf
