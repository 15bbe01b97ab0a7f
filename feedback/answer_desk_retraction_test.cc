// What a retraction leaves at the desk and on its disk: nothing.

#include <filesystem>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/answer_desk.h"
#include "feedback/test_restarted_desk.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

using AnswerDeskRetractionTest = RestartedDeskTest;

TEST_F(AnswerDeskRetractionTest, RetractedWorkersLateAnswerIsNoExtraOne) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  time_.Advance(absl::Minutes(11));
  ASSERT_OK(desk->Lease("ben"));
  ASSERT_OK(desk->Submit(AnswerOf("ben", task_id)));
  ASSERT_OK(store_->Retract({.worker_id = "ada"}, "asked to", "grace"));
  ASSERT_OK(desk->ForgetWorker("ada"));
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty());
  EXPECT_FALSE(desk->Submit(AnswerOf("ada", task_id)).ok());
  desk = Start();
  EXPECT_FALSE(desk->Submit(AnswerOf("ada", task_id)).ok());
  EXPECT_EQ(store_->GetStats().num_comparisons, 1);
}

TEST_F(AnswerDeskRetractionTest, RetractedWorkersWorkLeavesTheDiskAtOnce) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  ASSERT_OK(desk->Submit(AnswerOf("ada", task_id)));
  const NextTurn turn = AdasTurn(task_id);
  ASSERT_OK(desk->CarryOn(turn));
  EXPECT_EQ(ListDirectory(dir_ / "open_work").size(), 1u);
  ASSERT_OK(store_->Retract({.worker_id = "ada"}, "asked to", "grace"));
  ASSERT_OK(desk->ForgetWorker("ada"));
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty());
  EXPECT_FALSE(desk->NextContinuation().has_value());
  EXPECT_THAT(desk->CarryOn(turn), StatusIs(absl::StatusCode::kNotFound,
                                            HasSubstr("cannot be carried on")))
      << "nor does a page that still shows the dialogue bring it back";
}

TEST_F(AnswerDeskRetractionTest, ARetractedAnswerCarriesNoDialogueOn) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  ASSERT_OK(desk->Submit(AnswerOf("ada", task_id)));
  ASSERT_OK(store_->Retract({.comparison_ids = {"c-ada"}}, "a slip", "grace"));
  EXPECT_THAT(
      desk->CarryOn(AdasTurn(task_id)),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("cannot be carried on")));
  EXPECT_FALSE(desk->NextContinuation().has_value());
}

TEST_F(AnswerDeskRetractionTest, RetractedWorkersTurnThatBecameATaskGoesToo) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  ASSERT_OK(desk->Submit(AnswerOf("ada", task_id)));
  ASSERT_OK(desk->CarryOn({.task_id = task_id,
                           .worker_id = "ada",
                           .left_chosen = true,
                           .message = "Why?",
                           .comparison_id = "c-ada"}));
  const std::optional<Continuation> waiting = desk->NextContinuation();
  ASSERT_TRUE(waiting.has_value());
  desk->FinishContinuation(*waiting,
                           MakeTask(waiting->prompt, {"so", 1}, {"no", 1}, 1));
  ASSERT_OK_AND_ASSIGN(const Task own, desk->Lease("ada"));
  ASSERT_OK(desk->ForgetWorker("ada"));
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty());
  EXPECT_EQ(desk->GetTaskStats().num_leased, 0);
  Answer late = AnswerOf("ada", own.task_id);
  late.comparison_id = "c-late";
  EXPECT_THAT(desk->Submit(late),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no task")));
}

TEST_F(AnswerDeskRetractionTest,
       TaskThatARetractedWorkerHeldGoesToSomebodyElse) {
  auto desk = Start({.lease = absl::Minutes(10), .overlap = 2});
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  ASSERT_OK(desk->ForgetWorker("ada"));
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty()) << "nobody has it";
  EXPECT_EQ(desk->Lease("ben")->task_id, task_id);
  EXPECT_EQ(desk->Lease("cyd")->task_id, task_id);
  ASSERT_OK(desk->ForgetWorker("cyd"));
  ASSERT_OK_AND_ASSIGN(const std::string file,
                       ReadFile(dir_ / ("open_work/task-" + task_id)));
  EXPECT_THAT(file, HasSubstr("ben"));
  EXPECT_THAT(file, ::testing::Not(HasSubstr("cyd")));
  EXPECT_THAT(desk->Submit(AnswerOf("ada", task_id)),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("was not given")));
  ASSERT_OK(desk->Submit(AnswerOf("ben", task_id)));
}

TEST_F(AnswerDeskRetractionTest, WhatCannotBeRemovedIsToldAndTriedAgain) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  // Removing a folder as if it were a file fails, for root too.
  const std::string file = dir_ / ("open_work/task-" + task_id);
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  EXPECT_THAT(
      desk->ForgetWorker("ada"),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("task-" + task_id)));
  std::filesystem::remove(file);
  ASSERT_OK(WriteFileAtomically(file, "ada's"));
  ASSERT_OK(desk->ForgetWorker("ada")) << "said again";
  EXPECT_FALSE(FileExists(file));
}

TEST_F(AnswerDeskRetractionTest, HolderWhomAKillLeftOnDiskHoldsNothingAfter) {
  auto desk = Start({.lease = absl::Minutes(10), .overlap = 2});
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  ASSERT_OK(desk->Lease("ben"));
  // The process dies before the desk is told.
  ASSERT_OK(store_->Retract({.worker_id = "ada"}, "asked to", "grace"));
  desk = Start({.lease = absl::Minutes(10), .overlap = 2});
  ASSERT_OK_AND_ASSIGN(const std::string file,
                       ReadFile(dir_ / ("open_work/task-" + task_id)));
  EXPECT_THAT(file, testing::Not(HasSubstr("ada")));
  EXPECT_THAT(desk->Submit(AnswerOf("ada", task_id)),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("was not given")));
  ASSERT_OK(desk->Submit(AnswerOf("ben", task_id)));
}

}  // namespace
}  // namespace rlhf
