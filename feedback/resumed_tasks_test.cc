#include "feedback/resumed_tasks.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr absl::Duration kLease = absl::Minutes(10);

// As given out just now.
OpenTask Given(const FakeClock& clock, const std::string& worker,
               int number = 0) {
  OpenTask open{.task = MakeTask(v1::Prompt(), {"yes", 3}, {"no", 3}, number),
                .num_before = 10};
  open.holders[worker] = {.given = clock.Monotonic(),
                          .lease_end = clock.Monotonic() + kLease};
  return open;
}

v1::Comparison Answered(const std::string& worker, int64_t seq) {
  v1::Comparison comparison;
  comparison.set_seq(seq);
  comparison.mutable_prompt();
  comparison.set_response_a("yes");
  comparison.set_response_b("no");
  comparison.set_policy_version_a(3);
  comparison.set_policy_version_b(3);
  comparison.set_worker_id(worker);
  comparison.set_choice(v1::TIE);
  comparison.set_source("page");
  return comparison;
}

// After a restart, which begins the monotonic clock anew.
std::vector<OpenTask> Resume(const std::vector<v1::OpenTask>& records,
                             const std::vector<v1::Comparison>& log,
                             const FakeClock& clock) {
  ResumedTasks tasks(records);
  for (const v1::Comparison& comparison : log) tasks.Add(comparison);
  return std::move(tasks).Take(clock, kLease);
}

TEST(ResumedTasksTest, LeaseGoesOnForWhatWasLeftOfIt) {
  FakeClock clock;
  OpenTask open = Given(clock, "ada");
  open.task.gold = true;
  open.owner = "ada";
  clock.Advance(absl::Minutes(1));
  const v1::OpenTask record = ToRecord(open, clock);
  clock.Advance(absl::Minutes(2));
  const auto tasks = Resume({record}, {}, clock);
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].task.task_id, open.task.task_id);
  EXPECT_EQ(tasks[0].task.response_b, "no");
  EXPECT_TRUE(tasks[0].task.gold);
  EXPECT_EQ(tasks[0].owner, "ada");
  const OpenTask::Holder& ada = tasks[0].holders.at("ada");
  EXPECT_EQ(clock.Monotonic() - ada.given, absl::Minutes(3));
  EXPECT_EQ(ada.lease_end - clock.Monotonic(), absl::Minutes(7));
}

TEST(ResumedTasksTest, ClockThatWasSetBackMakesNoLeaseLonger) {
  FakeClock clock;
  const v1::OpenTask record = ToRecord(Given(clock, "ada"), clock);
  clock.Jump(absl::Hours(-24));
  const auto tasks = Resume({record}, {}, clock);
  EXPECT_EQ(tasks[0].holders.at("ada").lease_end - clock.Monotonic(), kLease);
}

TEST(ResumedTasksTest, AnswerThatReachedTheLogIsNotAskedForAgain) {
  FakeClock clock;
  const v1::OpenTask record = ToRecord(Given(clock, "ada"), clock);
  EXPECT_EQ(Resume({record}, {Answered("ada", 11)}, clock)[0].answered_by,
            std::set<std::string>{"ada"});
  EXPECT_TRUE(
      Resume({record}, {Answered("ada", 10)}, clock)[0].answered_by.empty())
      << "of an earlier task that looked the same";
  EXPECT_TRUE(
      Resume({record}, {Answered("ben", 11)}, clock)[0].answered_by.empty())
      << "who never had this one";
}

TEST(ResumedTasksTest, ExtraAnswerOfTheLogFillsNoPlace) {
  FakeClock clock;
  const v1::OpenTask record = ToRecord(Given(clock, "ada"), clock);
  v1::Comparison extra = Answered("ada", 11);
  extra.set_extra(true);
  const auto tasks = Resume({record}, {extra}, clock);
  EXPECT_TRUE(tasks[0].answered_by.empty());
  EXPECT_EQ(tasks[0].extra_by, std::set<std::string>{"ada"});
}

TEST(ResumedTasksTest, WorkerHasOneLeaseTheLast) {
  FakeClock clock;
  const v1::OpenTask first = ToRecord(Given(clock, "ada", 1), clock);
  clock.Advance(absl::Minutes(5));
  const v1::OpenTask second = ToRecord(Given(clock, "ada", 2), clock);
  for (const auto& records : {std::vector<v1::OpenTask>{first, second},
                              std::vector<v1::OpenTask>{second, first}}) {
    for (const OpenTask& task : Resume(records, {}, clock)) {
      const bool is_last = task.task.task_id == second.task_id();
      EXPECT_EQ(task.holders.at("ada").lease_end > clock.Monotonic(), is_last);
    }
  }
}

TEST(ResumedTasksTest, OwnTaskThatNobodyComesForIsForgotten) {
  FakeClock clock;
  OpenTask own = Given(clock, "ada", 1);
  own.owner = "ada";
  const std::vector<v1::OpenTask> records = {
      ToRecord(own, clock), ToRecord(Given(clock, "ada", 2), clock)};
  clock.Advance(absl::Hours(24 * 6));
  EXPECT_EQ(Resume(records, {}, clock).size(), 2u);
  clock.Advance(absl::Hours(48));
  const auto tasks = Resume(records, {}, clock);
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].owner, "") << "anybody may do it";
}

}  // namespace
}  // namespace rlhf
