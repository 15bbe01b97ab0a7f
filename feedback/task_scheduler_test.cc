#include "feedback/task_scheduler.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);
const TaskScheduler::Options kTwoReady = {.ready_tasks = 2,
                                          .lease = absl::Seconds(60)};

Task NumberedTask(int number) {
  return MakeTask(v1::Prompt(), {"yes", 3}, {"no", 3}, number);
}

TaskScheduler WithTasks(const TaskScheduler::Options& options, int num_tasks) {
  TaskScheduler scheduler(options, /*num_comparisons=*/0);
  for (int i = 0; i < num_tasks; ++i)
    EXPECT_TRUE(scheduler.Add(NumberedTask(i)));
  return scheduler;
}

TEST(MakeTaskTest, NameAndSidesFollowFromTheContent) {
  const Task task = NumberedTask(1);
  EXPECT_EQ(task.task_id.size(), 16u);
  EXPECT_EQ(task.task_id, NumberedTask(1).task_id);
  EXPECT_NE(task.task_id, NumberedTask(2).task_id);
  // 400 fair coins: 200 heads, standard deviation 10; five of them is 50.
  int num_swapped = 0;
  for (int i = 0; i < 400; ++i) num_swapped += NumberedTask(i).shown_swapped;
  EXPECT_NEAR(num_swapped, 200, 50);
}

TEST(TaskSchedulerTest, KeepsNoMoreReadyThanConfigured) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 2);
  EXPECT_EQ(scheduler.NumWanted(), 0);
  EXPECT_FALSE(scheduler.Add(NumberedTask(2)));
  ASSERT_OK(scheduler.Lease("ada", kStart));
  EXPECT_EQ(scheduler.NumWanted(), 1);
  EXPECT_FALSE(scheduler.Add(NumberedTask(1))) << "it is there already";
}

TEST(TaskSchedulerTest, TaskOfOnesOwnGoesToItsWorkerBeyondThoseKeptReady) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 2);
  ASSERT_OK_AND_ASSIGN(const Task own,
                       scheduler.LeaseOwn("ada", NumberedTask(7), kStart));
  EXPECT_EQ(own.task_id, NumberedTask(7).task_id);
  EXPECT_TRUE(scheduler.HasTaskOf("ada"));
  EXPECT_EQ(scheduler.num_ready(), 2);
  EXPECT_EQ(scheduler.Lease("ada", kStart)->task_id, own.task_id);
  EXPECT_NE(scheduler.Lease("ben", kStart)->task_id, own.task_id);
  EXPECT_OK(scheduler.Claim(own.task_id, "ada", kStart));
}

TEST(TaskSchedulerTest, WorkerWhoAsksAgainGetsTheSameTask) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 2);
  const auto first = scheduler.Lease("ada", kStart);
  EXPECT_EQ(scheduler.Lease("ada", kStart)->task_id, first->task_id);
  EXPECT_NE(scheduler.Lease("ben", kStart)->task_id, first->task_id);
  EXPECT_THAT(scheduler.Lease("cyd", kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no task")));
}

TEST(TaskSchedulerTest, ExpiredTaskGoesToAnotherWorkerAndTheLateAnswerLoses) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  EXPECT_EQ(scheduler.Lease("ben", later)->task_id, task);
  ASSERT_OK(scheduler.Claim(task, "ben", later));
  EXPECT_THAT(
      scheduler.Claim(task, "ada", later),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("is being saved")));
  scheduler.Finish(task, /*saved=*/true);

  EXPECT_THAT(scheduler.Claim(task, "ada", later),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("answered by somebody else")));
  EXPECT_EQ(scheduler.num_comparisons(), 1);
}

TEST(TaskSchedulerTest, LateAnswerCountsIfNobodyElseAnswered) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  ASSERT_OK(scheduler.Lease("ben", later));
  ASSERT_OK(scheduler.Claim(task, "ada", later));
  scheduler.Finish(task, /*saved=*/true);
  EXPECT_THAT(scheduler.Claim(task, "ben", later),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("answered by somebody else")));
}

TEST(TaskSchedulerTest, UnsavedAnswerLeavesTheLeaseAsItWas) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  ASSERT_OK(scheduler.Claim(task, "ada", kStart));
  scheduler.Finish(task, /*saved=*/false);
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
  scheduler.Finish(task, /*saved=*/true);
  EXPECT_THAT(scheduler.Lease("ben", kStart),
              StatusIs(absl::StatusCode::kOutOfRange,
                       HasSubstr("all of its 10 comparisons")));
}

// Random workers lease, answer late or never, and commits fail; the rules must
// hold after every event.
TEST(TaskSchedulerTest, RandomEventsKeepEveryTaskToOneAnswerAndTheLogExact) {
  for (int seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](int n) { return static_cast<int>(random() % n); };
    TaskScheduler::Options options{.ready_tasks = 1 + below(5),
                                   .lease = absl::Seconds(10),
                                   .max_comparisons = 60};
    TaskScheduler scheduler(options, 0);
    absl::Time now = kStart;
    int next_task = 0;
    std::set<std::string> answered;
    std::vector<std::pair<std::string, std::string>> seen;  // worker, task
    std::vector<std::string> saving;
    for (int event = 0; event < 5000; ++event) {
      now += absl::Seconds(below(3));
      const std::string worker = absl::StrCat("w", below(7));
      switch (below(5)) {
        case 0:
          scheduler.Add(NumberedTask(next_task++));
          break;
        case 1:
          if (const auto task = scheduler.Lease(worker, now); task.ok()) {
            ASSERT_FALSE(answered.contains(task->task_id));
            seen.emplace_back(worker, task->task_id);
          }
          break;
        case 2:
        case 3: {
          if (seen.empty()) break;
          // Mostly recent tasks, sometimes ancient ones.
          const size_t back = std::min<size_t>(seen.size(), below(10) + 1);
          const auto& [holder, task_id] = seen[seen.size() - back];
          if (scheduler.Claim(task_id, holder, now).ok()) {
            ASSERT_FALSE(answered.contains(task_id)) << "answered twice";
            saving.push_back(task_id);
          }
          break;
        }
        case 4: {
          if (saving.empty()) break;
          const std::string task_id = saving.back();
          saving.pop_back();
          const bool saved = below(4) != 0;
          scheduler.Finish(task_id, saved);
          if (saved) answered.insert(task_id);
          break;
        }
      }
      ASSERT_EQ(scheduler.num_comparisons(),
                static_cast<int64_t>(answered.size()));
      ASSERT_LE(scheduler.num_comparisons() + scheduler.num_leased() +
                    static_cast<int64_t>(saving.size()),
                60);
    }
    EXPECT_EQ(scheduler.num_comparisons(), 60) << "seed " << seed;
    EXPECT_TRUE(scheduler.complete());
  }
}

}  // namespace
}  // namespace rlhf
