#include "feedback/open_work.h"

#include <filesystem>
#include <string>

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::OpenTask MakeOpenTask(const std::string& task_id) {
  v1::OpenTask task;
  task.set_task_id(task_id);
  task.mutable_compared()->set_response_a("yes\0no", 6);
  return task;
}

v1::WaitingTurn MakeTurn(const std::string& worker_id) {
  v1::WaitingTurn turn;
  turn.set_worker_id(worker_id);
  return turn;
}

TEST(OpenWorkTest, WhatWasPutAndNotRemovedIsFoundAgain) {
  const TempDir dir;
  const std::string folder = dir / "open_work";
  OpenWork::Found found;
  ASSERT_OK_AND_ASSIGN(OpenWork work, OpenWork::Open(folder, found));
  EXPECT_TRUE(found.tasks.empty());
  ASSERT_OK(
      work.Apply({.tasks = {MakeOpenTask("a1"), MakeOpenTask("b2")}}).status);
  v1::OpenTask again = MakeOpenTask("b2");
  again.set_owner("ada");
  ASSERT_OK(work.Apply({.tasks = {again},
                        .turns = {MakeTurn("../../ada"), MakeTurn("ben")}})
                .status);
  ASSERT_OK(
      work.Apply({.gone_tasks = {"a1", "never there"}, .gone_turns = {"ben"}})
          .status);
  ASSERT_OK(OpenWork::Open(folder, found));
  ASSERT_EQ(found.tasks.size(), 1u);
  EXPECT_EQ(found.tasks[0].owner(), "ada");
  EXPECT_EQ(found.tasks[0].compared().response_a().size(), 6u);
  ASSERT_EQ(found.turns.size(), 1u);
  EXPECT_EQ(found.turns[0].worker_id(), "../../ada");
}

TEST(OpenWorkTest, WhatMakesNoSenseIsRemovedAndTheRestIsRead) {
  const TempDir dir;
  OpenWork::Found found;
  ASSERT_OK_AND_ASSIGN(OpenWork work, OpenWork::Open(dir.path(), found));
  ASSERT_OK(work.Apply({.tasks = {MakeOpenTask("a1")}}).status);
  ASSERT_OK(WriteFileAtomically(dir / "task-b2", "\xff\xff\xff"));
  ASSERT_OK(WriteFileAtomically(dir / "turn-c3", ""));
  ASSERT_OK(WriteFileAtomically(dir / "temporary", "cut sho"));
  ASSERT_OK(OpenWork::Open(dir.path(), found));
  EXPECT_EQ(found.tasks.size(), 1u);
  EXPECT_TRUE(found.turns.empty());
  EXPECT_EQ(ListDirectory(dir.path()), std::vector<std::string>{"task-a1"});
}

TEST(OpenWorkTest, RemovedWorkerLeavesNothingButWhatOthersHave) {
  const TempDir dir;
  OpenWork::Found found;
  ASSERT_OK_AND_ASSIGN(OpenWork work, OpenWork::Open(dir.path(), found));
  v1::OpenTask own = MakeOpenTask("own");
  own.set_owner("ada");
  own.add_holders()->set_worker_id("ada");
  v1::OpenTask held = MakeOpenTask("held");
  held.add_holders()->set_worker_id("ada");
  v1::OpenTask shared = MakeOpenTask("shared");
  shared.add_holders()->set_worker_id("ada");
  shared.add_holders()->set_worker_id("ben");
  ASSERT_OK(work.Apply({.tasks = {own, held, shared},
                        .turns = {MakeTurn("ada"), MakeTurn("ben")}})
                .status);
  ASSERT_OK(OpenWork::RemoveWorker(dir.path(), "ada"));
  ASSERT_OK(OpenWork::Open(dir.path(), found));
  ASSERT_EQ(found.tasks.size(), 1u);
  EXPECT_EQ(found.tasks[0].task_id(), "shared");
  ASSERT_EQ(found.tasks[0].holders_size(), 1);
  EXPECT_EQ(found.tasks[0].holders(0).worker_id(), "ben");
  ASSERT_EQ(found.turns.size(), 1u);
  EXPECT_EQ(found.turns[0].worker_id(), "ben");
  ASSERT_OK(OpenWork::RemoveWorker(dir / "never there", "ada"));
  EXPECT_FALSE(FileExists(dir / "never there"));
}

TEST(OpenWorkTest, NoTurnIsRemovedUnlessAllWasWritten) {
  const TempDir dir;
  OpenWork::Found found;
  ASSERT_OK_AND_ASSIGN(OpenWork work, OpenWork::Open(dir.path(), found));
  ASSERT_OK(work.Apply({.turns = {MakeTurn("ada")}}).status);
  // The turn became a task, whose file cannot be written, for root too.
  std::filesystem::create_directories(dir / "task-a1");
  const OpenWork::Undone undone =
      work.Apply({.tasks = {MakeOpenTask("a1"), MakeOpenTask("b2")},
                  .gone_turns = {"ada"}});
  EXPECT_THAT(undone.status,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("task-a1")));
  EXPECT_THAT(undone.task_ids, ElementsAre("a1"));
  EXPECT_THAT(undone.worker_ids, ElementsAre("ada"));
  EXPECT_FALSE(FileExists(dir / "temporary"));
  std::filesystem::remove(dir / "task-a1");
  ASSERT_OK(work.Apply({.tasks = {MakeOpenTask("a1")},
                        .gone_turns = undone.worker_ids})
                .status);
  ASSERT_OK(OpenWork::Open(dir.path(), found));
  EXPECT_EQ(found.tasks.size(), 2u);
  EXPECT_TRUE(found.turns.empty());
}

TEST(OpenWorkTest, WhatGoesOnFromRemovedAnswersGoesAndNothingElse) {
  const TempDir dir;
  OpenWork::Found found;
  ASSERT_OK_AND_ASSIGN(OpenWork work, OpenWork::Open(dir.path(), found));
  v1::OpenTask carried_on = MakeOpenTask("a1");
  carried_on.set_carried_on_from("c1");
  v1::WaitingTurn adas = MakeTurn("ada"), bens = MakeTurn("ben");
  adas.set_comparison_id("c2");
  bens.set_comparison_id("c3");
  ASSERT_OK(work.Apply({.tasks = {carried_on, MakeOpenTask("b2")},
                        .turns = {adas, bens}})
                .status);
  ASSERT_OK(OpenWork::RemoveAnswers(dir.path(), {"c1", "c2", "c4"}));
  ASSERT_OK(OpenWork::Open(dir.path(), found));
  ASSERT_EQ(found.tasks.size(), 1u);
  EXPECT_EQ(found.tasks[0].task_id(), "b2");
  ASSERT_EQ(found.turns.size(), 1u);
  EXPECT_EQ(found.turns[0].worker_id(), "ben");
  ASSERT_OK(OpenWork::RemoveAnswers(dir / "never there", {"c1"}));
  EXPECT_FALSE(FileExists(dir / "never there"));
}

TEST(OpenWorkTest, WithoutAFolderNothingIsKept) {
  OpenWork work;
  ASSERT_OK(
      work.Apply({.tasks = {MakeOpenTask("a1")}, .gone_tasks = {"b2"}}).status);
}

}  // namespace
}  // namespace rlhf
