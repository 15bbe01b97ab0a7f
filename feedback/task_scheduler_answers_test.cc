// How answers take the places of tasks, late ones among them.
#include <string>
#include <vector>

#include "feedback/task_scheduler_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

TEST(TaskSchedulerTest, ExpiredTaskGoesToAnotherWorkerAndTheLateOneIsExtra) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  EXPECT_EQ(scheduler.Lease("ben", later)->task_id, task);
  ASSERT_OK(scheduler.Claim(task, "ben", later));
  EXPECT_THAT(
      scheduler.Claim(task, "ada", later),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is being saved")));
  scheduler.Finish(task, "ben", /*saved=*/true);

  EXPECT_TRUE(scheduler.Claim(task, "ada", later)->extra);
  EXPECT_THAT(
      scheduler.Claim(task, "ada", later),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is being saved")));
  scheduler.Finish(task, "ada", /*saved=*/false);
  EXPECT_TRUE(scheduler.Claim(task, "ada", later)->extra) << "sent again";
  scheduler.Finish(task, "ada", /*saved=*/true);
  EXPECT_EQ(scheduler.num_comparisons(), 2);
  EXPECT_EQ(scheduler.num_answers(), 1);
  EXPECT_THAT(scheduler.Claim(task, "ada", later),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("has the answers that it wants")));
}

TEST(TaskSchedulerTest, LateAnswerCountsIfNobodyElseAnswered) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  ASSERT_OK(scheduler.Lease("ben", later));
  EXPECT_FALSE(scheduler.Claim(task, "ada", later)->extra);
  scheduler.Finish(task, "ada", /*saved=*/true);
  EXPECT_TRUE(scheduler.Claim(task, "ben", later)->extra)
      << "ada's answer took the place that was his";
}

TEST(TaskSchedulerTest, ExtraAnswerIsForWhoHeldTheTaskAndForNobodyElse) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  for (const char* worker : {"ben", "cyd"}) {
    ASSERT_OK(scheduler.Lease(worker, later));
    scheduler.ExpireLeases(later + absl::Seconds(61));
  }
  ASSERT_FALSE(scheduler.Claim(task, "ben", later)->extra);
  scheduler.Finish(task, "ben", /*saved=*/true);
  EXPECT_THAT(scheduler.Claim(task, "eve", later),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("not given to worker \"eve\"")));
  EXPECT_THAT(scheduler.Forget("cyd"), ::testing::ElementsAre(task));
  EXPECT_THAT(scheduler.Claim(task, "cyd", later),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("not given to worker \"cyd\"")));
  EXPECT_FALSE(scheduler.Lease("dan", later).ok()) << "it has its answer";
  EXPECT_TRUE(scheduler.Claim(task, "ada", later)->extra);
}

TEST(TaskSchedulerTest, FullTaskIsGoneOnceNobodyIsLeftWhoMayAnswerIt) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  ASSERT_OK(scheduler.Lease("ben", later));
  ASSERT_OK(scheduler.Claim(task, "ben", later));
  EXPECT_THAT(scheduler.Finish(task, "ben", /*saved=*/true),
              ::testing::ElementsAre(task));
  EXPECT_TRUE(scheduler.FindOpen(task).has_value()) << "ada may answer still";
  scheduler.Forget("ada");
  EXPECT_FALSE(scheduler.FindOpen(task).has_value());
}

TEST(TaskSchedulerTest, OldestFullTaskIsDroppedWhenThereAreTooMany) {
  TaskScheduler scheduler({.lease = absl::Seconds(60)}, 0);
  absl::Time now = kStart;
  std::vector<std::string> tasks;
  for (size_t i = 0; i <= TaskScheduler::kMaxFull; ++i) {
    ASSERT_TRUE(scheduler.Add(NumberedTask(static_cast<int>(i))));
    tasks.push_back(scheduler.Lease("ada", now)->task_id);
    now += absl::Seconds(61);
    ASSERT_EQ(scheduler.Lease("ben", now)->task_id, tasks.back());
    ASSERT_OK(scheduler.Claim(tasks.back(), "ben", now));
    const auto changed = scheduler.Finish(tasks.back(), "ben", /*saved=*/true);
    ASSERT_EQ(changed.size(), i < TaskScheduler::kMaxFull ? 1u : 2u);
  }
  EXPECT_FALSE(scheduler.FindOpen(tasks.front()).has_value());
  EXPECT_THAT(scheduler.Claim(tasks.front(), "ada", now),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("ask for another one")));
  EXPECT_TRUE(scheduler.Claim(tasks[1], "ada", now)->extra);
}

TEST(TaskSchedulerTest, LateAnswerBeyondTheRunsLastOneIsExtra) {
  TaskScheduler::Options options = kTwoReady;
  options.max_comparisons = 1;
  options.overlap = 2;
  TaskScheduler scheduler(options, 0);
  ASSERT_TRUE(scheduler.Add(NumberedTask(0)));
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  ASSERT_EQ(scheduler.Lease("ben", later)->task_id, task);
  EXPECT_TRUE(scheduler.Claim(task, "ada", later)->extra)
      << "the run's only answer is promised to ben";
  scheduler.Finish(task, "ada", /*saved=*/true);
  EXPECT_FALSE(scheduler.complete());
  EXPECT_FALSE(scheduler.Claim(task, "ben", later)->extra);
  scheduler.Finish(task, "ben", /*saved=*/true);
  EXPECT_TRUE(scheduler.complete());
}

TEST(TaskSchedulerTest, WhoGaveAnExtraAnswerIsAskedAgainWhereNothingElseIs) {
  TaskScheduler::Options options = kTwoReady;
  options.max_answers_per_worker = 1;
  options.overlap = 2;
  TaskScheduler scheduler = WithTasks(options, 2);
  const std::string first = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  const std::string second = scheduler.Lease("ada", later)->task_id;
  ASSERT_TRUE(scheduler.Claim(first, "ada", later)->extra);
  EXPECT_EQ(scheduler.num_ready(), 2) << "an extra claim takes no place";
  scheduler.Finish(first, "ada", /*saved=*/true);
  EXPECT_THAT(scheduler.Claim(first, "ada", later),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("\"ada\" has answered task")));
  EXPECT_EQ(scheduler.Lease("ada", later)->task_id, second)
      << "an extra answer counts for no limit";
  TaskScheduler after(kTwoReady, 1);
  after.Restore(*scheduler.FindOpen(first), later);
  ASSERT_TRUE(after.Add(NumberedTask(9)));
  EXPECT_NE(after.Lease("ada", later)->task_id, first);
  ASSERT_OK(after.Claim(NumberedTask(9).task_id, "ada", later));
  EXPECT_EQ(after.Lease("ada", later)->task_id, first)
      << "the run does not wait for workers who are not there";
  EXPECT_FALSE(after.Claim(first, "ada", later)->extra);
}

TEST(TaskSchedulerTest, UnsavedAnswerLeavesTheLeaseAsItWas) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  ASSERT_OK(scheduler.Claim(task, "ada", kStart));
  scheduler.Finish(task, "ada", /*saved=*/false);
  EXPECT_EQ(scheduler.num_leased(), 1);
  EXPECT_OK(scheduler.Claim(task, "ada", kStart));
}

TEST(TaskSchedulerTest, StrangersAndUnknownTasksAreRefused) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  EXPECT_THAT(scheduler.Claim(task, "eve", kStart),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("not given to worker \"eve\"")));
  EXPECT_THAT(
      scheduler.Claim("nothing", "ada", kStart),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("ask for another one")));
}

TEST(TaskSchedulerTest, LastComparisonIsPromisedToOneWorkerOnly) {
  TaskScheduler::Options options = kTwoReady;
  options.max_comparisons = 10;
  TaskScheduler scheduler(options, /*num_comparisons=*/9);
  EXPECT_EQ(scheduler.NumWanted(), 1);
  ASSERT_TRUE(scheduler.Add(NumberedTask(0)));
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  EXPECT_THAT(scheduler.Lease("ben", kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no task")));
  ASSERT_OK(scheduler.Claim(task, "ada", kStart));
  scheduler.Finish(task, "ada", /*saved=*/true);
  EXPECT_THAT(scheduler.Lease("ben", kStart),
              StatusIs(absl::StatusCode::kOutOfRange,
                       HasSubstr("all of its 10 comparisons")));
}

TEST(TaskSchedulerTest, OwnTaskGetsNoExtraAnswer) {
  TaskScheduler::Options options = kTwoReady;
  options.max_comparisons = 1;
  TaskScheduler scheduler(options, 0);
  Task gold = NumberedTask(7);
  gold.gold = true;
  ASSERT_OK(scheduler.LeaseOwn("ada", gold, kStart));
  const absl::Time later = kStart + absl::Seconds(61);
  scheduler.ExpireLeases(later);
  ASSERT_TRUE(scheduler.Add(NumberedTask(0)));
  ASSERT_OK(scheduler.Lease("ben", later));
  EXPECT_THAT(scheduler.Claim(gold.task_id, "ada", later),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("the last ones of the run")));
}

}  // namespace
}  // namespace rlhf
