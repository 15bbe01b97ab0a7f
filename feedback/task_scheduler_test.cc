#include "feedback/task_scheduler.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "feedback/task_scheduler_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

constexpr char kSecret[] = "of the run";

TEST(MakeTaskTest, NameAndSidesFollowFromTheContent) {
  const Task task = NumberedTask(1);
  EXPECT_EQ(task.task_id.size(), 16u);
  EXPECT_EQ(task.task_id, NumberedTask(1).task_id);
  EXPECT_NE(task.task_id, NumberedTask(2).task_id);
  // 400 fair coins: 200 heads, standard deviation 10; five of them is 50.
  int num_swapped = 0;
  int num_apart = 0;
  int num_foreseen = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string id = NumberedTask(i).task_id;
    num_swapped += IsShownSwapped(id, "ada", kSecret);
    num_apart += IsShownSwapped(id, "ada", kSecret) !=
                 IsShownSwapped(id, "ben", kSecret);
    num_foreseen += IsShownSwapped(id, "ada", kSecret) ==
                    IsShownSwapped(id, "ada", "another secret");
    EXPECT_EQ(IsShownSwapped(id, "ada", kSecret),
              IsShownSwapped(id, "ada", kSecret));
  }
  EXPECT_NEAR(num_swapped, 200, 50);
  EXPECT_NEAR(num_apart, 200, 50) << "each worker has a coin";
  EXPECT_NEAR(num_foreseen, 200, 50) << "who has no secret can only guess";
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

TEST(TaskSchedulerTest, ClaimTellsHowLongTheWorkerHasHadTheTask) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  // Asking again does not begin anew.
  ASSERT_OK(scheduler.Lease("ada", kStart + absl::Seconds(20)));
  EXPECT_EQ(
      scheduler.Claim(task, "ada", kStart + absl::Seconds(30))->since_given,
      absl::Seconds(30));
}

TEST(TaskSchedulerTest, GivenTaskGoesOnAfterARestart) {
  const TaskScheduler::Options two = {
      .ready_tasks = 2, .lease = absl::Seconds(60), .overlap = 2};
  TaskScheduler before(two, /*num_comparisons=*/5);
  ASSERT_TRUE(before.Add(NumberedTask(1)));
  const std::string task = before.Lease("ada", kStart)->task_id;
  ASSERT_OK(before.Lease("ben", kStart + absl::Seconds(30)));
  const std::optional<OpenTask> open = before.FindOpen(task);
  ASSERT_TRUE(open.has_value());
  EXPECT_EQ(open->num_before, 5);
  EXPECT_FALSE(before.FindOpen("another").has_value());

  TaskScheduler after(two, /*num_comparisons=*/5);
  after.Restore(*open, kStart + absl::Seconds(40));
  EXPECT_EQ(after.num_leased(), 2);
  EXPECT_EQ(after.num_ready(), 0);
  EXPECT_EQ(after.Lease("ada", kStart + absl::Seconds(40))->task_id, task);
  const absl::Time later = kStart + absl::Seconds(95);
  EXPECT_EQ(after.Lease("cyd", later)->task_id, task)
      << "ben's lease has ended";
  EXPECT_OK(after.Claim(task, "ada", later));
}

TEST(TaskSchedulerTest, RestoredTaskKeepsWhoAnsweredAndItsPlaces) {
  const TaskScheduler::Options two = {
      .ready_tasks = 2, .lease = absl::Seconds(60), .overlap = 2};
  OpenTask open{.task = NumberedTask(1), .answered_by = {"cyd"}};
  for (const char* worker : {"ada", "ben", "cyd"}) {
    open.holders[worker] = {.given = kStart, .lease_end = kStart};
  }
  open.holders["ben"].lease_end = kStart + absl::Seconds(9);
  open.holders["ada"].lease_end = kStart + absl::Seconds(5);
  TaskScheduler scheduler(two, /*num_comparisons=*/1);
  scheduler.Restore(open, kStart);
  const std::string task = open.task.task_id;
  EXPECT_EQ(scheduler.num_leased(), 1) << "one place is left, for ben";
  EXPECT_FALSE(scheduler.Lease("ada", kStart).ok());
  EXPECT_EQ(scheduler.Lease("ben", kStart)->task_id, task);
  EXPECT_THAT(scheduler.Claim(task, "cyd", kStart),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("answered task")));
  open.answered_by.insert("ben");
  TaskScheduler full(two, /*num_comparisons=*/2);
  full.Restore(open, kStart);
  EXPECT_EQ(full.num_ready(), 0) << "it has its answers";
  EXPECT_TRUE(full.Claim(task, "ada", kStart)->extra);
  open.extra_by.insert("ada");
  TaskScheduler over(two, /*num_comparisons=*/3);
  over.Restore(open, kStart);
  EXPECT_FALSE(over.FindOpen(task).has_value()) << "nobody is left";
}

TEST(TaskSchedulerTest, RestoredOwnTaskWaitsUntilItsWorkerIsDoneWithAnother) {
  const absl::Time soon = kStart + absl::Seconds(30);
  OpenTask other{.task = NumberedTask(1)};
  other.holders["ada"] = {.given = kStart, .lease_end = soon};
  OpenTask own{.task = NumberedTask(2), .owner = "ada"};
  own.holders["ada"] = {.given = kStart};
  TaskScheduler scheduler(kTwoReady, /*num_comparisons=*/0);
  scheduler.Restore(other, kStart);
  scheduler.Restore(own, kStart);
  EXPECT_EQ(scheduler.Lease("ada", kStart)->task_id, other.task.task_id);
  ASSERT_OK(scheduler.Claim(other.task.task_id, "ada", kStart));
  scheduler.Finish(other.task.task_id, "ada", /*saved=*/true);
  EXPECT_EQ(scheduler.Lease("ada", kStart)->task_id, own.task.task_id);
}

TEST(TaskSchedulerTest, RestoredOwnTaskIsItsWorkersAlone) {
  OpenTask open{.task = NumberedTask(1), .owner = "ada"};
  open.holders["ada"] = {.given = kStart};
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  scheduler.Restore(open, kStart);
  EXPECT_NE(scheduler.Lease("ben", kStart)->task_id, open.task.task_id);
  EXPECT_EQ(scheduler.Lease("ada", kStart)->task_id, open.task.task_id);
}

TEST(TaskSchedulerTest, WorkerWhoAsksAgainGetsTheSameTask) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 2);
  const auto first = scheduler.Lease("ada", kStart);
  EXPECT_EQ(scheduler.Lease("ada", kStart)->task_id, first->task_id);
  EXPECT_NE(scheduler.Lease("ben", kStart)->task_id, first->task_id);
  EXPECT_THAT(scheduler.Lease("cyd", kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no task")));
}

TEST(TaskSchedulerTest, TaskGoesToAsManyWorkersAsWantedAndToNoneTwice) {
  TaskScheduler::Options options = kTwoReady;
  options.overlap = 3;
  TaskScheduler scheduler = WithTasks(options, 1);
  const std::string task = scheduler.Lease("ada", kStart)->task_id;
  EXPECT_EQ(scheduler.Lease("ben", kStart)->task_id, task);
  ASSERT_OK(scheduler.Claim(task, "ada", kStart));
  scheduler.Finish(task, "ada", /*saved=*/true);
  EXPECT_THAT(scheduler.Lease("ada", kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no task")));
  EXPECT_THAT(scheduler.Claim(task, "ada", kStart),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("\"ada\" has answered task")));
  EXPECT_EQ(scheduler.num_ready(), 1);
  EXPECT_EQ(scheduler.Lease("cyd", kStart)->task_id, task);
  EXPECT_EQ(scheduler.num_ready(), 0);
  for (const char* worker : {"ben", "cyd"}) {
    ASSERT_OK(scheduler.Claim(task, worker, kStart));
    scheduler.Finish(task, worker, /*saved=*/true);
  }
  EXPECT_EQ(scheduler.num_comparisons(), 3);
  EXPECT_THAT(scheduler.Lease("dan", kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no task")));
}

TEST(TaskSchedulerTest, TasksAreMadeForTheAnswersThatAreLeftOnly) {
  TaskScheduler::Options options = kTwoReady;
  options.overlap = 3;
  options.max_comparisons = 4;
  TaskScheduler scheduler(options, 0);
  EXPECT_EQ(scheduler.NumWanted(), 2) << "three answers and one";
  EXPECT_TRUE(scheduler.Add(NumberedTask(0)));
  EXPECT_EQ(scheduler.NumWanted(), 1);
  EXPECT_TRUE(scheduler.Add(NumberedTask(1)));
  for (const char* worker : {"ada", "ben", "cyd", "dan"}) {
    EXPECT_OK(scheduler.Lease(worker, kStart));
  }
  EXPECT_THAT(scheduler.Lease("eve", kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no task")));
}

TEST(TaskSchedulerTest, StartedTaskGoesToOtherWorkersThanItsFirst) {
  TaskScheduler::Options options = kTwoReady;
  options.overlap = 2;
  TaskScheduler scheduler(options, 1);
  ASSERT_TRUE(scheduler.Add(NumberedTask(0), {"ada"}));
  EXPECT_THAT(scheduler.Lease("ada", kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no task")));
  ASSERT_OK_AND_ASSIGN(const Task task, scheduler.Lease("ben", kStart));
  ASSERT_OK(scheduler.Claim(task.task_id, "ben", kStart));
  scheduler.Finish(task.task_id, "ben", /*saved=*/true);
  EXPECT_EQ(scheduler.num_ready(), 0);
}

TEST(TaskSchedulerTest, NobodyAnswersMoreThanOnePersonMay) {
  TaskScheduler::Options options = kTwoReady;
  options.max_answers_per_worker = 3;
  TaskScheduler scheduler(options, 2);
  scheduler.AddEarlierAnswers("ada", 2);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(scheduler.Add(NumberedTask(i)));
  const std::string first = scheduler.Lease("ada", kStart)->task_id;
  const absl::Time later = kStart + absl::Seconds(61);
  const std::string second = scheduler.Lease("ada", later)->task_id;
  ASSERT_NE(first, second);
  EXPECT_TRUE(scheduler.Claim(first, "ada", later)->extra)
      << "her last one is promised to the other task";
  EXPECT_FALSE(scheduler.Claim(second, "ada", later)->extra);
  EXPECT_THAT(scheduler.Lease("ada", later),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("all 3 answers")));
  scheduler.Finish(second, "ada", /*saved=*/false);
  EXPECT_OK(scheduler.Lease("ada", later)) << "it was not saved";
}

TEST(TaskSchedulerTest, OwnTaskIsNobodyElsesAndComesBackUntilItIsAnswered) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  Task own = NumberedTask(7);
  ASSERT_OK_AND_ASSIGN(const Task given,
                       scheduler.LeaseOwn("ada", own, kStart));
  EXPECT_EQ(given.shown_swapped, IsShownSwapped(own.task_id, "ada", ""));
  EXPECT_NE(scheduler.Lease("ben", kStart)->task_id, own.task_id);
  const absl::Time later = kStart + absl::Seconds(61);
  scheduler.ExpireLeases(later);
  EXPECT_TRUE(scheduler.HasTaskOf("ada"));
  EXPECT_NE(scheduler.Lease("ben", later)->task_id, own.task_id);
  EXPECT_EQ(scheduler.Lease("ada", later)->task_id, own.task_id);
  ASSERT_OK(scheduler.Claim(own.task_id, "ada", later));
  scheduler.Finish(own.task_id, "ada", /*saved=*/true);
  EXPECT_FALSE(scheduler.HasTaskOf("ada"));
  EXPECT_EQ(scheduler.num_comparisons(), 1);
}

TEST(TaskSchedulerTest, OwnTaskThatIsThereOrWasAnsweredIsRefused) {
  TaskScheduler scheduler = WithTasks(kTwoReady, 1);
  EXPECT_THAT(scheduler.LeaseOwn("ada", NumberedTask(0), kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("already")));
  const Task own = NumberedTask(7);
  ASSERT_OK(scheduler.LeaseOwn("ada", own, kStart));
  ASSERT_OK(scheduler.Claim(own.task_id, "ada", kStart));
  scheduler.Finish(own.task_id, "ada", /*saved=*/true);
  EXPECT_FALSE(scheduler.LeaseOwn("ada", own, kStart).ok());
  EXPECT_FALSE(scheduler.HasTaskOf("ada"));
}

// An answer that is on its way into the log.
struct Saving {
  std::string worker;
  std::string task_id;
  bool extra = false;
};

// What random workers have done; the rules must hold after every event.
struct RandomRun {
  explicit RandomRun(int seed)
      : random(seed),
        options{.ready_tasks = 1 + Below(5),
                .lease = absl::Seconds(10),
                .max_comparisons = 60,
                .overlap = 1 + Below(3),
                .max_answers_per_worker = seed % 4 == 0 ? 12 : 0},
        scheduler(options, 0) {}

  int Below(int n) { return static_cast<int>(random() % n); }

  void Lease(const std::string& worker) {
    if (Below(4) == 0 && !scheduler.HasTaskOf(worker)) {
      const auto own =
          scheduler.LeaseOwn(worker, NumberedTask(next_task++), now);
      if (!own.ok()) return;
      own_of[own->task_id] = worker;
      seen.emplace_back(worker, own->task_id);
    } else if (const auto task = scheduler.Lease(worker, now); task.ok()) {
      ASSERT_FALSE(answers_to[task->task_id].contains(worker));
      ASSERT_TRUE(!own_of.contains(task->task_id) ||
                  own_of[task->task_id] == worker);
      seen.emplace_back(worker, task->task_id);
    }
  }

  void Claim() {
    if (seen.empty()) return;
    // Mostly recent tasks, sometimes ancient ones.
    const size_t back = std::min<size_t>(seen.size(), Below(10) + 1);
    const auto [holder, task_id] = seen[seen.size() - back];
    const bool has_extra = extras_to[task_id].contains(holder);
    const bool again = has_extra || answers_to[task_id].contains(holder);
    const auto task = scheduler.Claim(task_id, holder, now);
    if (!task.ok()) {
      // Nobody's words are refused but those of who has answered, and those to
      // a task that waits for its owner; others wait for a commit at most.
      ASSERT_TRUE(again || own_of.contains(task_id) ||
                  absl::IsUnavailable(task.status()))
          << task.status();
      return;
    }
    ASSERT_FALSE(answers_to[task_id].contains(holder)) << "answered twice";
    ASSERT_FALSE(has_extra && task->extra) << "extra twice";
    saving.push_back({holder, task_id, task->extra});
  }

  void Finish() {
    if (saving.empty()) return;
    // Commits may end in any order.
    std::swap(saving[Below(static_cast<int>(saving.size()))], saving.back());
    const auto [worker, task_id, extra] = saving.back();
    saving.pop_back();
    const bool saved = Below(4) != 0;
    scheduler.Finish(task_id, worker, saved);
    if (!saved) return;
    if (extra) {
      ++num_extra;
      extras_to[task_id].insert(worker);
      return;
    }
    ++num_answered;
    ++answers_of[worker];
    answers_to[task_id].insert(worker);
    ASSERT_LE(answers_to[task_id].size(),
              own_of.contains(task_id) ? size_t{1}
                                       : static_cast<size_t>(options.overlap));
    ASSERT_TRUE(options.max_answers_per_worker == 0 ||
                answers_of[worker] <= options.max_answers_per_worker);
  }

  void Step() {
    now += absl::Seconds(Below(3));
    switch (Below(5)) {
      case 0:
        scheduler.Add(NumberedTask(next_task++));
        break;
      case 1:
        Lease(absl::StrCat("w", Below(7)));
        break;
      case 2:
      case 3:
        Claim();
        break;
      case 4:
        Finish();
        break;
    }
    ASSERT_EQ(scheduler.num_answers(), num_answered);
    ASSERT_EQ(scheduler.num_comparisons(), num_answered + num_extra);
    const auto num_places =
        std::count_if(saving.begin(), saving.end(),
                      [](const Saving& one) { return !one.extra; });
    ASSERT_LE(num_answered + scheduler.num_leased() + num_places, 60);
  }

  std::mt19937 random;
  TaskScheduler::Options options;
  TaskScheduler scheduler;
  absl::Time now = kStart;
  int next_task = 0;
  int64_t num_answered = 0;
  int64_t num_extra = 0;
  std::map<std::string, std::set<std::string>> answers_to;
  std::map<std::string, std::set<std::string>> extras_to;
  std::map<std::string, int64_t> answers_of;
  std::map<std::string, std::string> own_of;
  std::vector<std::pair<std::string, std::string>> seen;  // worker, task
  std::vector<Saving> saving;
};

// Random workers lease, answer late or never, and commits fail.
TEST(TaskSchedulerTest, RandomEventsKeepEveryTaskToItsAnswersAndLoseNone) {
  int64_t num_extra = 0;
  for (int seed = 0; seed < 40; ++seed) {
    RandomRun run(seed);
    for (int event = 0; event < 8000; ++event) {
      ASSERT_NO_FATAL_FAILURE(run.Step()) << "seed " << seed;
    }
    EXPECT_EQ(run.scheduler.num_answers(), 60) << "seed " << seed;
    EXPECT_TRUE(run.scheduler.complete());
    num_extra += run.num_extra;
  }
  EXPECT_GT(num_extra, 10) << "the rules were tried on some";
}

}  // namespace
}  // namespace rlhf
