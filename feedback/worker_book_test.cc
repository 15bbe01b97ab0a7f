#include "feedback/worker_book.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

// Two right answers qualify, two wrong ones pause.
constexpr WorkerTestRule kTwoDecide = {.right_points = 1,
                                       .wrong_points = 1,
                                       .pause_at = 2,
                                       .good_at = -2,
                                       .lowest = -4};

class WorkerBookTest : public ::testing::Test {
 protected:
  WorkerBookTest() {
    std::string lines;
    for (int i = 0; i < 10; ++i) {
      absl::StrAppend(&lines, "{\"prompt\": \"", i,
                      "?\", \"chosen\": \"yes\", \"rejected\": \"no\"}\n");
    }
    EXPECT_OK(WriteFileAtomically(dir_ / "gold.jsonl", lines));
    options_.rule = kTwoDecide;
    options_.gold = *GoldQuestions::Read(dir_ / "gold.jsonl");
    options_.gold_share = 0.3;
    options_.pauses_path = dir_ / "pauses.json";
  }

  v1::Comparison Answer(const std::string& worker, bool gold,
                        v1::Choice choice) {
    v1::Comparison comparison;
    comparison.set_seq(++seq_);
    comparison.set_worker_id(worker);
    comparison.set_choice(choice);
    comparison.set_strength(1);
    comparison.set_source(gold ? "gold" : "page");
    return comparison;
  }
  void Qualify(WorkerBook& book, const std::string& worker) {
    for (int i = 0; i < 2; ++i) book.Add(Answer(worker, true, v1::A_BETTER));
  }

  TempDir dir_;
  WorkerBook::Options options_;
  int64_t seq_ = 0;
};

TEST_F(WorkerBookTest, NewWorkerGetsGoldOnlyUntilTheTestSaysGood) {
  WorkerBook book(options_);
  book.Add(Answer("ada", true, v1::A_BETTER));
  std::set<std::string> asked;
  for (int i = 0; i < 20; ++i) {
    const auto gold = book.NextGold("ada");
    ASSERT_TRUE(gold.has_value());
    asked.insert(gold->task_id);
    book.Add(Answer("ada", true, i % 2 == 0 ? v1::B_BETTER : v1::SKIPPED));
    if (i % 2 == 0) book.Add(Answer("ada", true, v1::A_BETTER));
  }
  EXPECT_EQ(asked.size(), 20u) << "a skipped question is not asked at once";
}

TEST_F(WorkerBookTest, QualifiedWorkerGetsTheConfiguredShareOfGold) {
  WorkerBook book(options_);
  Qualify(book, "ada");
  int num_gold = 0;
  for (int i = 0; i < 1000; ++i) {
    const bool gold = book.NextGold("ada").has_value();
    num_gold += gold;
    book.Add(Answer("ada", gold, v1::A_BETTER));
  }
  // Five standard deviations of 1,000 draws of 0.3.
  EXPECT_NEAR(num_gold, 300, 5 * 14.5);
}

TEST_F(WorkerBookTest, WithoutAShareThereIsNoGold) {
  options_.gold_share = 0;
  WorkerBook book(options_);
  EXPECT_FALSE(book.NextGold("ada").has_value());
}

TEST_F(WorkerBookTest, WorkerWhoFailsIsPausedWithAFriendlyWord) {
  WorkerBook book(options_);
  EXPECT_OK(book.CheckMayWork("ada"));
  for (int i = 0; i < 2; ++i) book.Add(Answer("ada", true, v1::B_BETTER));
  EXPECT_THAT(
      book.CheckMayWork("ada"),
      StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("thank you")));
  EXPECT_EQ(book.NumPaused(), 1);
  const auto workers = book.Workers();
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_TRUE(workers[0].paused);
  EXPECT_EQ(workers[0].paused_by, "test");
  EXPECT_EQ(workers[0].paused_reason, "0 of 2 gold questions right");
}

TEST_F(WorkerBookTest, WhatAPersonSaidOutlivesTheProcess) {
  std::vector<v1::Comparison> log;
  {
    WorkerBook book(options_);
    for (int i = 0; i < 2; ++i) {
      log.push_back(Answer("ada", true, v1::B_BETTER));
      book.Add(log.back());
    }
    for (const auto& [worker, word] :
         PersonsWords{{"ben", {true, "rita", "asked for a rest", seq_}},
                      {"ada", {false, "rita", "bad questions", seq_}}}) {
      ASSERT_OK(
          WritePersonsWords(book.pauses_path(), book.WordsWith(worker, word)));
      book.SetWord(worker, word);
    }
    EXPECT_OK(book.CheckMayWork("ada"));
    EXPECT_TRUE(book.NextGold("ada").has_value()) << "she qualifies anew";
    EXPECT_EQ(book.NumPaused(), 1);
  }
  options_.words = *ReadPersonsWords(options_.pauses_path);
  WorkerBook book(options_);
  for (const v1::Comparison& comparison : log) book.Add(comparison);
  EXPECT_OK(book.CheckMayWork("ada"));
  EXPECT_FALSE(book.CheckMayWork("ben").ok());
  const auto workers = book.Workers();
  ASSERT_EQ(workers.size(), 2u);
  EXPECT_EQ(workers[1].view.worker_id, "ben");
  EXPECT_EQ(workers[1].paused_by, "rita");
  EXPECT_EQ(workers[1].paused_reason, "asked for a rest");
}

TEST_F(WorkerBookTest, OpensWithTheConfiguredQuestionsAndTheGroupsOfAFile) {
  v1::RunConfig config;
  config.mutable_feedback()->set_gold_share(0.1);
  config.mutable_feedback()->set_gold_questions(dir_ / "gold.jsonl");
  ASSERT_OK(WriteFileAtomically(dir_ / "groups.json", R"({"ada": "experts"})"));
  ASSERT_OK_AND_ASSIGN(const auto book, WorkerBook::Open(config, dir_.path()));
  EXPECT_EQ(book->GroupOf("ada"), "experts");
  EXPECT_EQ(book->GroupOf("ben"), "");
  EXPECT_TRUE(book->NextGold("ada").has_value());
  EXPECT_EQ(LoadTaskSecret(dir_.path())->size(), 64u);

  ASSERT_OK(WriteFileAtomically(dir_ / "groups.json", R"({"ada": 3})"));
  EXPECT_THAT(
      WorkerBook::Open(config, dir_.path()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("groups.json")));
  ASSERT_OK(WriteFileAtomically(dir_ / "groups.json", "{}"));
  config.mutable_feedback()->set_gold_questions(dir_ / "missing.jsonl");
  EXPECT_THAT(WorkerBook::Open(config, dir_.path()),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("feedback.gold_questions")));
}

}  // namespace
}  // namespace rlhf
