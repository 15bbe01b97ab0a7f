#include "feedback/workers/worker_ledger.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Two wrong answers pause, two right ones are good.
constexpr WorkerTestRule kTwoDecide = {.right_points = 1,
                                       .wrong_points = 1,
                                       .pause_at = 2,
                                       .good_at = -2,
                                       .lowest = -4};

class WorkerLedgerTest : public ::testing::Test {
 protected:
  void Add(const std::string& worker, v1::Choice choice, int task,
           int strength = 1, const std::string& source = "page",
           bool extra = false) {
    v1::Comparison comparison;
    comparison.set_extra(extra);
    comparison.set_seq(++seq_);
    comparison.set_worker_id(worker);
    comparison.set_choice(choice);
    comparison.set_strength(choice == v1::TIE ? 0 : strength);
    comparison.mutable_prompt()->set_prompt_id(absl::StrCat("p", task));
    comparison.set_response_a("yes");
    comparison.set_response_b("no");
    comparison.set_worker_seconds(seq_);
    comparison.set_source(source);
    ledger_.Add(comparison);
  }
  void AddGold(const std::string& worker, v1::Choice choice) {
    Add(worker, choice, 0, 1, "gold");
  }

  int64_t seq_ = 0;
  WorkerLedger ledger_{kTwoDecide};
};

TEST_F(WorkerLedgerTest, GoldAnswersDecideAndSkippedOnesDoNot) {
  AddGold("ada", v1::A_BETTER);
  AddGold("ada", v1::SKIPPED);
  EXPECT_EQ(ledger_.VerdictOf("ada"), WorkerVerdict::kUndecided);
  AddGold("ada", v1::A_BETTER);
  EXPECT_EQ(ledger_.VerdictOf("ada"), WorkerVerdict::kGood);
  AddGold("ben", v1::TIE);
  AddGold("ben", v1::B_BETTER);
  EXPECT_EQ(ledger_.VerdictOf("ben"), WorkerVerdict::kPaused);
  EXPECT_EQ(ledger_.NumGold("ada"), 3);
  const std::vector<WorkerView> workers = ledger_.Workers();
  ASSERT_EQ(workers.size(), 2u);
  EXPECT_EQ(workers[0].num_answers, 3);
  EXPECT_EQ(workers[0].num_gold, 2);
  EXPECT_EQ(workers[0].num_gold_right, 2);
  EXPECT_EQ(workers[1].num_gold_right, 0);
}

TEST_F(WorkerLedgerTest, RestartedTestForgetsTheAnswersBefore) {
  AddGold("ben", v1::B_BETTER);
  AddGold("ben", v1::B_BETTER);
  ledger_.RestartTest("ben", seq_);
  EXPECT_EQ(ledger_.VerdictOf("ben"), WorkerVerdict::kUndecided);
  AddGold("ben", v1::B_BETTER);
  EXPECT_EQ(ledger_.VerdictOf("ben"), WorkerVerdict::kUndecided);

  // The same from a log that is read again.
  WorkerLedger again(kTwoDecide);
  again.RestartTest("ben", 2);
  v1::Comparison wrong;
  wrong.set_worker_id("ben");
  wrong.set_source("gold");
  wrong.set_choice(v1::B_BETTER);
  for (int seq = 1; seq <= 3; ++seq) {
    wrong.set_seq(seq);
    again.Add(wrong);
  }
  EXPECT_EQ(again.VerdictOf("ben"), WorkerVerdict::kUndecided);
}

// Three workers, two tasks: all equal on the first, one apart on the second.
TEST_F(WorkerLedgerTest, AgreementIsOfWorkersWhoAnsweredTheSameTask) {
  for (const char* worker : {"ada", "ben", "cyd"}) {
    Add(worker, v1::A_BETTER, 1, 2);
  }
  Add("ada", v1::B_BETTER, 2);
  Add("ben", v1::B_BETTER, 2);
  Add("cyd", v1::A_BETTER, 2);
  const auto workers = ledger_.Workers();
  EXPECT_DOUBLE_EQ(*workers[0].agreement, 3.0 / 4);
  EXPECT_DOUBLE_EQ(*workers[2].agreement, 2.0 / 4);
  const AgreementView view = ledger_.Agreement();
  EXPECT_EQ(view.num_pairs, 6);
  // Observed 4 of 6 pairs; by chance (4/6)² + (2/6)² = 20/36.
  EXPECT_NEAR(*view.kappa, (4.0 / 6 - 20.0 / 36) / (16.0 / 36), 1e-9);
  EXPECT_LT(*view.alpha, 1);
}

TEST_F(WorkerLedgerTest, OneWorkerPerTaskAndGoldSayNothingOfAgreement) {
  Add("ada", v1::A_BETTER, 1);
  Add("ada", v1::B_BETTER, 1);
  AddGold("ada", v1::A_BETTER);
  AddGold("ben", v1::A_BETTER);
  EXPECT_EQ(ledger_.Agreement().num_pairs, 0);
  EXPECT_FALSE(ledger_.Agreement().kappa.has_value());
  EXPECT_FALSE(ledger_.Workers()[0].agreement.has_value());
}

TEST_F(WorkerLedgerTest, ExtraAnswersAreWorkAndSayNothingOfAgreement) {
  Add("ada", v1::A_BETTER, 1);
  Add("ben", v1::B_BETTER, 1, 1, "page", /*extra=*/true);
  EXPECT_EQ(ledger_.Agreement().num_pairs, 0);
  const WorkerView ben = ledger_.Workers().at(1);
  EXPECT_EQ(ben.num_answers, 1);
  EXPECT_EQ(ben.num_extra, 1);
  EXPECT_EQ(ben.left.count, 1);
  EXPECT_EQ(ben.median_seconds, 2);
  EXPECT_FALSE(ben.agreement.has_value());
}

TEST_F(WorkerLedgerTest, ImportedComparisonsAreNobodysWork) {
  Add("ada", v1::A_BETTER, 1, 1, "import:file");
  EXPECT_TRUE(ledger_.Workers().empty());
}

TEST_F(WorkerLedgerTest, MedianIsOfTheLastAnswers) {
  for (int i = 0; i < 301; ++i) Add("ada", v1::TIE, i);
  // Seconds 201 to 301 are remembered.
  EXPECT_EQ(ledger_.Workers()[0].median_seconds, 251);
}

TEST_F(WorkerLedgerTest, OldTasksAreForgotten) {
  Add("ada", v1::A_BETTER, -1);
  Add("ben", v1::A_BETTER, -1);
  EXPECT_EQ(ledger_.Agreement().num_pairs, 1);
  for (size_t i = 0; i < WorkerLedger::kMaxItems; ++i) {
    Add("ada", v1::A_BETTER, static_cast<int>(i));
  }
  EXPECT_EQ(ledger_.Agreement().num_pairs, 0);
}

}  // namespace
}  // namespace rlhf
