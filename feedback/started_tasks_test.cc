#include "feedback/started_tasks.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

v1::Comparison AnswerTo(int task, const std::string& worker, int64_t seq) {
  v1::Comparison comparison;
  comparison.set_seq(seq);
  comparison.set_worker_id(worker);
  comparison.mutable_prompt()->set_prompt_id(absl::StrCat("p", task));
  comparison.set_response_a("yes");
  comparison.set_response_b("no");
  comparison.set_policy_version_a(3);
  comparison.set_policy_version_b(4);
  comparison.set_pm_version(2);
  comparison.set_task_kind(v1::RED_TEAM);
  comparison.mutable_sampling()->set_max_new_tokens(7);
  comparison.set_choice(v1::A_BETTER);
  comparison.set_source("page");
  return comparison;
}

TEST(StartedTasksTest, TaskWithAnswersMissingIsFoundWithWhoAnsweredIt) {
  StartedTasks tasks(3, 10);
  tasks.Add(AnswerTo(1, "ada", 1));
  tasks.Add(AnswerTo(2, "ada", 2));
  tasks.Add(AnswerTo(1, "ben", 3));
  tasks.Add(AnswerTo(1, "cyd", 4));
  tasks.Add(AnswerTo(2, "ben", 5));
  const auto started = std::move(tasks).Take();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].answered_by, (std::set<std::string>{"ada", "ben"}));
  const Task& task = started[0].task;
  EXPECT_EQ(task.prompt.prompt_id(), "p2");
  EXPECT_EQ(task.policy_version_a, 3);
  EXPECT_EQ(task.policy_version_b, 4);
  EXPECT_EQ(task.pm_version, 2);
  EXPECT_EQ(task.kind, v1::RED_TEAM);
  EXPECT_EQ(task.sampling.max_new_tokens(), 7);
}

TEST(StartedTasksTest, GoldAndImportedComparisonsAreNoTasks) {
  StartedTasks tasks(2, 10);
  v1::Comparison gold = AnswerTo(1, "ada", 1);
  gold.set_source("gold");
  tasks.Add(gold);
  v1::Comparison imported = AnswerTo(2, "ada", 2);
  imported.set_source("import:file");
  tasks.Add(imported);
  EXPECT_TRUE(std::move(tasks).Take().empty());
}

TEST(StartedTasksTest, ExtraAnswersFillNoPlaceAndStartNoTask) {
  StartedTasks tasks(2, 10);
  v1::Comparison extra = AnswerTo(1, "cyd", 3);
  extra.set_extra(true);
  tasks.Add(AnswerTo(1, "ada", 1));
  tasks.Add(extra);
  tasks.Add(AnswerTo(2, "ada", 4));
  tasks.Add(AnswerTo(2, "ben", 5));
  extra.mutable_prompt()->set_prompt_id("p2");
  tasks.Add(extra);
  const auto started = std::move(tasks).Take();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].task.prompt.prompt_id(), "p1");
  EXPECT_EQ(started[0].answered_by, std::set<std::string>{"ada"});
}

TEST(StartedTasksTest, OneAnswerPerTaskLeavesNothingToFind) {
  StartedTasks tasks(1, 10);
  tasks.Add(AnswerTo(1, "ada", 1));
  EXPECT_TRUE(std::move(tasks).Take().empty());
}

TEST(StartedTasksTest, OldestAreForgottenFirst) {
  StartedTasks tasks(2, 2);
  for (int i = 1; i <= 5; ++i) tasks.Add(AnswerTo(i, "ada", i));
  const auto started = std::move(tasks).Take();
  ASSERT_EQ(started.size(), 2u);
  EXPECT_EQ(started[0].task.prompt.prompt_id(), "p4");
  EXPECT_EQ(started[1].task.prompt.prompt_id(), "p5");
}

TEST(StartedTasksTest, AnAnswerTooManyDoesNotStartATaskAnew) {
  StartedTasks tasks(2, 10);
  tasks.Add(AnswerTo(1, "ada", 1));
  tasks.Add(AnswerTo(1, "ben", 2));
  tasks.Add(AnswerTo(1, "cyd", 3));
  EXPECT_TRUE(std::move(tasks).Take().empty());
}

TEST(StartedTasksTest, ALaterAnswerDoesNotStartAForgottenTaskAnew) {
  StartedTasks tasks(3, 1);
  tasks.Add(AnswerTo(1, "ada", 1));
  tasks.Add(AnswerTo(2, "ada", 2));
  tasks.Add(AnswerTo(1, "ben", 3));
  const auto started = std::move(tasks).Take();
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].task.prompt.prompt_id(), "p2");
}

}  // namespace
}  // namespace rlhf
