#include "feedback/batch/batch_evidence.h"

#include "feedback/batch/batch_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(BatchEvidenceTest, CountsWhatWasThereInTheLogAndInTheBatch) {
  FixtureLog log;
  const v1::Comparison old = FixtureComparison(1, "ada", v1::A_BETTER);
  log.Add(old);
  v1::Comparison near = FixtureComparison(2, "ada", v1::A_BETTER);
  near.set_response_b(near.response_b() + "indeed");
  const BatchEvidence evidence =
      Measured({old, FixtureComparison(2, "ada", v1::A_BETTER), near,
                FixtureComparison(2, "ada", v1::A_BETTER)},
               log.background());
  EXPECT_EQ(evidence.num_comparisons, 4);
  EXPECT_EQ(evidence.exact_duplicates.count, 2);
  EXPECT_EQ(evidence.near_duplicates.count, 1);
  EXPECT_EQ(evidence.exact_duplicates.total, 4);
}

TEST(BatchEvidenceTest, LeftIsWhatStoodOnTheLeft) {
  FixtureLog log;
  std::vector<v1::Comparison> batch = {
      FixtureComparison(1, "ada", v1::A_BETTER),
      FixtureComparison(2, "ada", v1::B_BETTER),
      FixtureComparison(3, "ada", v1::A_BETTER),
      FixtureComparison(4, "ada", v1::TIE)};
  batch[1].set_shown_swapped(true);
  batch[2].set_shown_swapped(true);
  const BatchEvidence evidence = Measured(batch, log.background());
  EXPECT_EQ(evidence.everybody.left.count, 2);
  EXPECT_EQ(evidence.everybody.left.total, 3);
}

TEST(BatchEvidenceTest, AnExtraAnswerHasNoVoteButMayBeADuplicate) {
  FixtureLog log;
  v1::Comparison extra = FixtureComparison(1, "ada", v1::A_BETTER);
  extra.set_extra(true);
  const BatchEvidence evidence =
      Measured({extra, FixtureComparison(1, "bob", v1::B_BETTER), extra},
               log.background());
  EXPECT_EQ(evidence.everybody.others_agree.total, 0);
  EXPECT_EQ(evidence.exact_duplicates.count, 1);
}

TEST(BatchEvidenceTest, PairsWithoutSidesSayNothingOfPosition) {
  FixtureLog log;
  v1::Comparison pair = FixtureComparison(1, "", v1::A_BETTER);
  pair.set_sides_known(false);
  EXPECT_EQ(Measured({pair}, log.background()).everybody.left.total, 0);
}

TEST(BatchEvidenceTest, TimesThatAreNotKnownAreNotFast) {
  FixtureLog log;
  std::vector<v1::Comparison> batch = {
      FixtureComparison(1, "ada", v1::A_BETTER),
      FixtureComparison(2, "ada", v1::A_BETTER),
      FixtureComparison(3, "ada", v1::A_BETTER)};
  batch[0].set_worker_seconds(0.5);
  batch[1].set_worker_seconds(0);
  const BatchEvidence evidence = Measured(batch, log.background());
  EXPECT_EQ(evidence.everybody.too_fast.count, 1);
  EXPECT_EQ(evidence.everybody.too_fast.total, 2);
}

TEST(BatchEvidenceTest, PersonalDataIsCountedByComparisonAndKind) {
  FixtureLog log;
  v1::Comparison one = FixtureComparison(1, "ada", v1::A_BETTER);
  one.set_response_a("write to a@b.org and c@d.org or +49 30 1234567");
  v1::Comparison two = FixtureComparison(2, "ada", v1::A_BETTER);
  two.set_comment("I am x@y.org");
  const BatchEvidence evidence = Measured({one, two}, log.background());
  EXPECT_EQ(evidence.personal_data.count, 2);
  EXPECT_THAT(evidence.personal_data_kinds,
              ElementsAre(Pair("e-mail address", 2), Pair("phone number", 1)));
}

TEST(BatchEvidenceTest, TheFirstLinesWithPersonalDataAreNamed) {
  FixtureLog log;
  v1::Comparison mail = FixtureComparison(1, "ada", v1::A_BETTER);
  mail.set_comment("I am x@y.org");
  const v1::Comparison plain = FixtureComparison(2, "ada", v1::A_BETTER);
  std::vector<BatchItem> items = {{.comparison = &plain, .line = 1},
                                  {.comparison = &mail}};
  for (int64_t line = 2; line < 40; ++line) {
    items.push_back({.comparison = &mail, .line = line});
  }
  const std::vector<int64_t> lines =
      MeasureBatch(items, log.background()).personal_data_lines;
  ASSERT_EQ(lines.size(), BatchEvidence::kMaxLines);
  EXPECT_EQ(lines.front(), 2);
  EXPECT_EQ(lines.back(), 21);
}

TEST(BatchEvidenceTest, WorkersAgreeOnThePairsThatBothHad) {
  FixtureLog log;
  log.Add(FixtureComparison(1, "ada", v1::A_BETTER));
  const BatchEvidence evidence =
      Measured({FixtureComparison(1, "bob", v1::A_BETTER),
                FixtureComparison(1, "cem", v1::B_BETTER),
                FixtureComparison(2, "bob", v1::A_BETTER)},
               log.background());
  // bob with ada; cem with ada and with bob.
  EXPECT_EQ(evidence.everybody.others_agree.count, 1);
  EXPECT_EQ(evidence.everybody.others_agree.total, 3);
  ASSERT_EQ(evidence.workers.size(), 2u);
  EXPECT_EQ(evidence.workers[0].worker_id, "bob");
  EXPECT_EQ(evidence.workers[0].others_agree.count, 1);
  EXPECT_EQ(evidence.workers[0].others_agree.total, 2);
  EXPECT_EQ(evidence.workers[1].others_agree.count, 0);
}

TEST(BatchEvidenceTest, TheTwinIsWhoAgreesMostSurely) {
  FixtureLog log;
  std::vector<v1::Comparison> batch;
  for (int i = 0; i < 20; ++i) {
    batch.push_back(FixtureComparison(i, "ada", v1::A_BETTER));
    batch.push_back(FixtureComparison(i, "bob", v1::A_BETTER));
    if (i == 0) batch.push_back(FixtureComparison(i, "cem", v1::A_BETTER));
  }
  const BatchEvidence evidence = Measured(batch, log.background());
  EXPECT_EQ(evidence.workers[0].twin.count, 20);
  EXPECT_EQ(evidence.workers[2].twin.count, 1);
}

TEST(BatchEvidenceTest, GoldAnswersAreRightWhicheverSideIsA) {
  FixtureLog log;
  const GoldAnswers gold =
      MakeGoldAnswers({FixtureComparison(1, "", v1::A_BETTER),
                       FixtureComparison(2, "", v1::A_BETTER),
                       FixtureComparison(3, "", v1::TIE)});
  v1::Comparison swapped = FixtureComparison(1, "ada", v1::B_BETTER);
  std::swap(*swapped.mutable_response_a(), *swapped.mutable_response_b());
  BatchBackground background = log.background();
  background.gold = &gold;
  const BatchEvidence evidence =
      Measured({swapped, FixtureComparison(2, "ada", v1::B_BETTER),
                FixtureComparison(3, "ada", v1::TIE)},
               background);
  EXPECT_EQ(evidence.everybody.gold_right.count, 1);
  EXPECT_EQ(evidence.everybody.gold_right.total, 2);
}

TEST(BatchEvidenceTest, AShortLogIsNothingToHoldABatchAgainst) {
  FixtureLog log;
  for (int i = 0; i < 49; ++i) {
    log.Add(FixtureComparison(i, "ada", v1::B_BETTER));
  }
  const std::vector<v1::Comparison> batch = {
      FixtureComparison(1000, "bob", v1::A_BETTER)};
  BatchEvidence evidence = Measured(batch, log.background());
  EXPECT_EQ(evidence.log_longer.total, 0);
  EXPECT_EQ(evidence.unusual_length.total, 0);
  EXPECT_EQ(evidence.other_language.total, 0);
  log.Add(FixtureComparison(49, "ada", v1::B_BETTER));
  evidence = Measured(batch, log.background());
  EXPECT_EQ(evidence.log_longer.count, 50);
  EXPECT_EQ(evidence.unusual_length.total, 2);
  EXPECT_EQ(evidence.other_language.total, 1);
  EXPECT_EQ(evidence.other_language.count, 0);
}

TEST(BatchEvidenceTest, RareLengthsAndOtherLanguagesAreSeen) {
  FixtureLog log;
  for (int i = 0; i < 100; ++i) {
    log.Add(FixtureComparison(i, "ada", v1::B_BETTER));
  }
  v1::Comparison odd = FixtureComparison(1000, "bob", v1::A_BETTER);
  odd.mutable_prompt()->mutable_messages(0)->set_content(
      "Wie kann ich das lernen und was ist dabei nicht zu vergessen?");
  odd.set_response_a(FixtureText(9999, 2000));
  const BatchEvidence evidence = Measured({odd}, log.background());
  EXPECT_EQ(evidence.other_language.count, 1);
  EXPECT_EQ(evidence.unusual_length.count, 1);
}

TEST(BatchEvidenceTest, ThePmAgreesWhereItsMarginHasTheSameSign) {
  FixtureLog log;
  const v1::Comparison a = FixtureComparison(1, "ada", v1::A_BETTER);
  const v1::Comparison b = FixtureComparison(2, "ada", v1::B_BETTER);
  const v1::Comparison unasked = FixtureComparison(3, "ada", v1::B_BETTER);
  const BatchEvidence evidence =
      MeasureBatch({{.comparison = &a, .pm_margin = 0.3},
                    {.comparison = &b, .pm_margin = 0.3},
                    {.comparison = &unasked}},
                   log.background());
  EXPECT_EQ(evidence.everybody.pm_agrees.count, 1);
  EXPECT_EQ(evidence.everybody.pm_agrees.total, 2);
}

TEST(BatchEvidenceTest, EditsAreJudgedApartFromChoices) {
  FixtureLog log;
  v1::Comparison one = FixtureComparison(1, "ada", v1::B_BETTER);
  one.set_edited_response("better still");
  v1::Comparison two = FixtureComparison(2, "ada", v1::A_BETTER);
  two.set_edited_response("worse");
  const BatchEvidence evidence =
      MeasureBatch({{.comparison = &one, .pm_margin = -1, .edit_margin = 0.5},
                    {.comparison = &two, .pm_margin = 1, .edit_margin = -0.5}},
                   log.background());
  EXPECT_EQ(evidence.everybody.pm_agrees.count, 2);
  EXPECT_EQ(evidence.everybody.edits_agree.count, 1);
  EXPECT_EQ(evidence.everybody.edits_agree.total, 2);
  EXPECT_EQ(evidence.workers.at(0).edits_agree.count, 1);
}

TEST(BatchEvidenceTest, OneEditOnManyQuestionsIsSeenAndSoIsItsLength) {
  FixtureLog log;
  for (int i = 0; i < 100; ++i) {
    log.Add(FixtureComparison(i, "ada", v1::B_BETTER));
  }
  std::vector<v1::Comparison> batch;
  for (int i = 0; i < 10; ++i) {
    batch.push_back(FixtureComparison(1000 + i, "bob", v1::A_BETTER));
  }
  const BatchEvidence before = Measured(batch, log.background());
  for (v1::Comparison& one : batch) one.set_edited_response("no");
  const BatchEvidence evidence = Measured(batch, log.background());
  EXPECT_EQ(evidence.near_duplicates.count, before.near_duplicates.count + 9);
  EXPECT_EQ(evidence.unusual_length.count, before.unusual_length.count + 10);
  EXPECT_EQ(evidence.unusual_length.total, 30);
}

}  // namespace
}  // namespace rlhf
