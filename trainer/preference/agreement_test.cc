#include "trainer/preference/agreement.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::SizeIs;
using testing::StartsWith;

WorkerChoice Choice(const std::string& worker, uint64_t pair, bool first,
                    bool pm_agrees) {
  return {.worker = worker,
          .pair = pair,
          .first_chosen = first,
          .pm_agrees = pm_agrees};
}

// Pair 1: ann and bob alike, cyd not. Pair 2: ann and bob differ. Pair 3: ann
// alone.
std::vector<WorkerChoice> Some() {
  return {Choice("ann", 1, true, true),   Choice("bob", 1, true, true),
          Choice("cyd", 1, false, false), Choice("ann", 2, true, true),
          Choice("bob", 2, false, false), Choice("ann", 3, false, true)};
}

TEST(MeasureAgreementTest, CountsThePmWithEveryWorker) {
  const PmAgreement found = MeasureAgreement(Some());
  EXPECT_EQ(found.pm_with_workers.compared, 6);
  EXPECT_EQ(found.pm_with_workers.agree, 4);
  EXPECT_EQ(found.pm_with_workers.num_pairs, 3);
  ASSERT_THAT(found.workers, SizeIs(3));
  EXPECT_EQ(found.workers[0].worker, "ann");
  EXPECT_EQ(found.workers[0].with_pm.agree, 3);
  EXPECT_EQ(found.workers[0].with_pm.compared, 3);
  EXPECT_EQ(found.workers[2].worker, "cyd");
  EXPECT_EQ(found.workers[2].with_pm.agree, 0);
}

TEST(MeasureAgreementTest, CountsCouplesOfWorkersOnOnePair) {
  const PmAgreement found = MeasureAgreement(Some());
  // Pair 1 has three couples, one alike; pair 2 one that differs.
  EXPECT_EQ(found.among_workers.compared, 4);
  EXPECT_EQ(found.among_workers.agree, 1);
  EXPECT_EQ(found.among_workers.num_pairs, 2);
  EXPECT_EQ(found.pm_on_shared_pairs.compared, 5);
  EXPECT_EQ(found.pm_on_shared_pairs.agree, 3);
  // ann with bob and cyd on pair 1, with bob on pair 2.
  EXPECT_EQ(found.workers[0].with_others.compared, 3);
  EXPECT_EQ(found.workers[0].with_others.agree, 1);
}

// Four couples on two pairs: the interval is that of two, not of four.
TEST(MeasureAgreementTest, SeveralJudgementsOfOnePairAreNotIndependent) {
  const AgreementShare share = MeasureAgreement(Some()).among_workers;
  EXPECT_EQ(share.share(), 0.25);
  EXPECT_EQ(share.interval().high, WilsonInterval(0.5, 2).high);
  EXPECT_EQ(AgreementShare().interval().low, 0);
  EXPECT_EQ(AgreementShare().interval().high, 1);
}

TEST(MeasureAgreementTest, ASecondLookReplacesTheFirstAmongWorkers) {
  const PmAgreement found = MeasureAgreement(std::vector<WorkerChoice>{
      Choice("ann", 1, true, true), Choice("ann", 1, false, true),
      Choice("bob", 1, false, true)});
  EXPECT_EQ(found.among_workers.compared, 1);
  EXPECT_EQ(found.among_workers.agree, 1);
  EXPECT_EQ(found.pm_with_workers.compared, 3);
}

TEST(MeasureAgreementTest, WhoIsNotNamedIsNobody) {
  const PmAgreement found = MeasureAgreement(std::vector<WorkerChoice>{
      Choice("", 1, true, true), Choice("", 1, false, true)});
  EXPECT_EQ(found.pm_with_workers.compared, 0);
  EXPECT_THAT(found.workers, SizeIs(0));
}

TEST(MeasureAgreementTest, HiddenNamesDoNotTellTheWorker) {
  PmAgreement found = MeasureAgreement(Some());
  HideWorkers("secret", found);
  const Json json = ToJson(found);
  EXPECT_THAT(json["workers"][0]["worker"].get<std::string>(),
              StartsWith("w-"));
  EXPECT_EQ(DumpJson(json).find("ann"), std::string::npos);
  EXPECT_EQ(json["among_workers"]["share"], 0.25);
  EXPECT_EQ(json["paper_researcher_crowdworker"], 0.63);
}

}  // namespace
}  // namespace rlhf
