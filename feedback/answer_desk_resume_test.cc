// What the desk promises over a restart, and where clocks are set.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/answer_desk.h"
#include "feedback/test_restarted_desk.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

using AnswerDeskResumeTest = RestartedDeskTest;

TEST_F(AnswerDeskResumeTest, ClockThatIsSetEndsNoLeaseAndMakesNoneLonger) {
  const auto desk = Start();
  desk->Add(OneTask());
  ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
  for (const absl::Duration day : {absl::Hours(24), absl::Hours(-48)}) {
    time_.Jump(day);
    EXPECT_FALSE(desk->Lease("ben").ok()) << day;
    EXPECT_EQ(desk->GetTaskStats().num_leased, 1) << day;
  }
  time_.Advance(absl::Minutes(10));
  EXPECT_EQ(desk->Lease("ben")->task_id, task.task_id);
}

TEST_F(AnswerDeskResumeTest, SecondsAreNoMoreThanTheWorkerHasHadTheTask) {
  const auto desk = Start();
  desk->Add(OneTask());
  Answer answer = AnswerOf("ada", desk->Lease("ada")->task_id);
  answer.worker_seconds = 500'000;
  time_.Advance(absl::Seconds(5));
  ASSERT_OK(desk->Submit(answer));
  EXPECT_EQ(store_->Read(1, 1)->at(0).worker_seconds(), 5);
  time_.Advance(absl::Seconds(5));
  EXPECT_TRUE(desk->Submit(answer)->duplicate) << "a retry, later";
}

TEST_F(AnswerDeskResumeTest, TaskGivenBeforeARestartIsAnsweredAfterIt) {
  auto desk = Start();
  desk->Add(OneTask());
  ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
  desk = Start();
  EXPECT_FALSE(desk->Lease("ben").ok()) << "it is ada's";
  ASSERT_OK_AND_ASSIGN(const Task same, desk->Lease("ada"));
  EXPECT_EQ(same.task_id, task.task_id);
  EXPECT_EQ(same.shown_swapped, task.shown_swapped);
  desk = Start();
  time_.Advance(absl::Seconds(30));
  Answer answer = AnswerOf("ada", task.task_id);
  answer.worker_seconds = 20;
  ASSERT_OK_AND_ASSIGN(const auto saved, desk->Submit(answer));
  EXPECT_FALSE(saved.duplicate);
  EXPECT_EQ(store_->Read(1, 1)->at(0).worker_seconds(), 20);
  desk = Start();
  EXPECT_TRUE(desk->Submit(answer)->duplicate);
  EXPECT_FALSE(desk->Lease("ben").ok()) << "it has its answer";
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty());
}

TEST_F(AnswerDeskResumeTest, TaskGivenBeforeARestartGoesToOthersAfterItsLease) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  desk = Start();
  time_.Advance(absl::Minutes(11));
  EXPECT_EQ(desk->Lease("ben")->task_id, task_id);
  ASSERT_OK(desk->Submit(AnswerOf("ben", task_id)));
  EXPECT_TRUE(desk->Submit(AnswerOf("ada", task_id))->extra);
  EXPECT_EQ(store_->GetStats().num_comparisons, 2);
}

TEST_F(AnswerDeskResumeTest, LateAnswerIsSavedAsExtraAlsoAfterARestart) {
  const TaskScheduler::Options options = {.lease = absl::Minutes(10),
                                          .max_comparisons = 2};
  auto desk = Start(options);
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  time_.Advance(absl::Minutes(11));
  ASSERT_OK(desk->Lease("ben"));
  ASSERT_OK(desk->Submit(AnswerOf("ben", task_id)));
  desk = Start(options);
  Answer late = AnswerOf("ada", task_id);
  late.comment = "long thoughts";
  late.worker_seconds = 500'000;
  ASSERT_OK_AND_ASSIGN(const auto saved, desk->Submit(late));
  EXPECT_TRUE(saved.extra);
  const v1::Comparison stored = store_->Read(2, 2)->at(0);
  EXPECT_TRUE(stored.extra());
  EXPECT_EQ(stored.comment(), "long thoughts");
  EXPECT_EQ(stored.worker_seconds(), 660) << "since the task was given";
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(desk->GetTaskStats().num_answers, 1);
    EXPECT_FALSE(desk->GetTaskStats().complete);
    EXPECT_EQ(desk->Agreement().num_pairs, 0);
    EXPECT_EQ(desk->Workers().at(0).view.num_answers, 1) << "ada worked";
    ASSERT_OK_AND_ASSIGN(const auto again, desk->Submit(late));
    EXPECT_TRUE(again.duplicate);
    EXPECT_TRUE(again.extra);
    EXPECT_FALSE(desk->Lease("cyd").ok()) << "it has its answer";
    desk = Start(options);
  }
  EXPECT_EQ(store_->GetStats().num_comparisons, 2);
  ASSERT_OK(store_->Retract({.worker_id = "ada"}, "asked to", "grace"));
  desk = Start(options);
  EXPECT_EQ(desk->GetTaskStats().num_answers, 1)
      << "what was extra stays so when it is taken back";
}

TEST_F(AnswerDeskResumeTest, ExtraAnswerSavedAtTheMomentOfAKillCountsOnce) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  time_.Advance(absl::Minutes(11));
  ASSERT_OK(desk->Lease("ben"));
  ASSERT_OK(desk->Submit(AnswerOf("ben", task_id)));
  const std::string path = dir_ / ("open_work/task-" + task_id);
  ASSERT_OK_AND_ASSIGN(const std::string file, ReadFile(path));
  ASSERT_TRUE(desk->Submit(AnswerOf("ada", task_id))->extra);
  // As if the process had been killed before it removed it.
  ASSERT_OK(WriteFileAtomically(path, file));
  desk = Start();
  EXPECT_FALSE(FileExists(path)) << "nobody is left who may answer";
  EXPECT_TRUE(desk->Submit(AnswerOf("ada", task_id))->duplicate);
  EXPECT_EQ(store_->GetStats().num_comparisons, 2);
}

// An attempt whose commit was made unheard found a place that is gone by now.
TEST_F(AnswerDeskResumeTest, AnswerIsInTheLogAsItsFirstAttemptWas) {
  for (const bool was_extra : {false, true}) {
    const auto desk = Start();
    desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, was_extra)});
    ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
    Answer answer = AnswerOf("ada", task.task_id);
    answer.comparison_id = was_extra ? "extra" : "counts";
    v1::Comparison written;
    written.set_comparison_id(answer.comparison_id);
    written.mutable_prompt();
    written.set_response_a("a");
    written.set_response_b("b");
    written.set_choice(v1::TIE);
    written.set_worker_id("ada");
    written.set_shown_swapped(task.shown_swapped);
    written.set_sides_known(true);
    written.set_policy_version_a(1);
    written.set_policy_version_b(1);
    written.set_source("page");
    written.set_extra(was_extra);
    const auto stored = store_->Append(written);
    ASSERT_OK(stored);
    if (!was_extra) {
      time_.Advance(absl::Minutes(11));
      ASSERT_OK(desk->Lease("ben"));
      Answer ben = AnswerOf("ben", task.task_id);
      ASSERT_FALSE(desk->Submit(ben)->extra);
    }
    const int64_t num_answers = desk->GetTaskStats().num_answers;
    ASSERT_OK_AND_ASSIGN(const auto saved, desk->Submit(answer));
    EXPECT_EQ(saved.seq, stored->seq);
    EXPECT_EQ(saved.extra, was_extra);
    const int64_t now = desk->GetTaskStats().num_answers;
    EXPECT_EQ(now, num_answers + (was_extra ? 0 : 1));
    EXPECT_EQ(Start()->GetTaskStats().num_answers, now)
        << "as the log tells after a restart";
  }
}

TEST_F(AnswerDeskResumeTest, AnswerSavedAtTheMomentOfAKillCountsOnce) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  const std::string path = dir_ / ("open_work/task-" + task_id);
  ASSERT_OK_AND_ASSIGN(const std::string file, ReadFile(path));
  ASSERT_OK(desk->Submit(AnswerOf("ada", task_id)));
  EXPECT_FALSE(FileExists(path));
  // As if the process had been killed before it removed it.
  ASSERT_OK(WriteFileAtomically(path, file));
  desk = Start();
  EXPECT_FALSE(FileExists(path));
  EXPECT_TRUE(desk->Submit(AnswerOf("ada", task_id))->duplicate);
  EXPECT_FALSE(desk->Lease("ben").ok());
}

TEST_F(AnswerDeskResumeTest, OverlapHoldsOverARestart) {
  const TaskScheduler::Options two = {.ready_tasks = 1, .overlap = 2};
  auto desk = Start(two);
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  ASSERT_OK(desk->Lease("ben"));
  ASSERT_OK(desk->Submit(AnswerOf("ada", task_id)));
  desk = Start(two);
  EXPECT_FALSE(desk->Lease("cyd").ok()) << "ben has the second place";
  EXPECT_TRUE(desk->Submit(AnswerOf("ada", task_id))->duplicate);
  ASSERT_OK(desk->Submit(AnswerOf("ben", task_id)));
  EXPECT_FALSE(desk->Lease("cyd").ok());
  EXPECT_EQ(desk->Agreement().num_pairs, 1);
}

TEST_F(AnswerDeskResumeTest, WhatIsImportedDoesNotEndThePeoplesWork) {
  const TaskScheduler::Options options = {.max_comparisons = 1};
  auto desk = Start(options);
  std::vector<v1::Comparison> imported(3);
  for (size_t i = 0; i < imported.size(); ++i) {
    imported[i].set_comparison_id(absl::StrCat("i", i));
    imported[i].set_choice(v1::TIE);
    imported[i].set_source("import:f.csv");
  }
  ASSERT_OK(desk->Import(imported));
  EXPECT_GT(desk->WaitForDemand({}, absl::ZeroDuration()), 0);
  desk = Start(options);
  EXPECT_GT(desk->WaitForDemand({}, absl::ZeroDuration()), 0);
  EXPECT_FALSE(desk->GetTaskStats().complete);
  desk->Add(OneTask());
  ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
  ASSERT_OK(desk->Submit(AnswerOf("ada", task.task_id)));
  EXPECT_TRUE(desk->GetTaskStats().complete);
  desk = Start(options);
  EXPECT_TRUE(desk->GetTaskStats().complete);
  EXPECT_EQ(desk->GetTaskStats().num_answers, 1);
}

TEST_F(AnswerDeskResumeTest, DialogueThatWaitsGoesOnAfterARestart) {
  auto desk = Start();
  desk->Add(OneTask());
  const std::string task_id = desk->Lease("ada")->task_id;
  ASSERT_OK(desk->Submit(AnswerOf("ada", task_id)));
  const NextTurn turn = AdasTurn(task_id);
  ASSERT_OK(desk->CarryOn(turn));
  desk = Start();
  ASSERT_OK(desk->CarryOn(turn)) << "a retry";
  std::optional<Continuation> waiting = desk->NextContinuation();
  ASSERT_TRUE(waiting.has_value());
  EXPECT_EQ(waiting->worker_id, "ada");
  EXPECT_EQ(waiting->prompt.messages(1).content(), "Why?");
  desk->FinishContinuation(*waiting,
                           MakeTask(waiting->prompt, {"so", 1}, {"no", 1}, 1));
  ASSERT_OK_AND_ASSIGN(const Task next, desk->Lease("ada"));
  desk = Start();
  EXPECT_FALSE(desk->NextContinuation().has_value()) << "it is a task by now";
  EXPECT_EQ(desk->Lease("ada")->task_id, next.task_id);
  EXPECT_FALSE(desk->Lease("ben").ok()) << "ada's own";
}

}  // namespace
}  // namespace rlhf
