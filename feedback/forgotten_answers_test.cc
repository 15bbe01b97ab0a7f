// What the desk keeps of a dialogue that goes on from a retracted answer:
// nothing.

#include <optional>
#include <string>

#include "core/base/file.h"
#include "feedback/answer_desk.h"
#include "feedback/test_restarted_desk.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

class ForgottenAnswersTest : public RestartedDeskTest {
 protected:
  // The worker answers a task and says what comes next; that turn.
  NextTurn CarryOn(AnswerDesk& desk, const std::string& worker) {
    desk.Add({MakeTask(v1::Prompt(), {"a " + worker, 1}, {"b", 1}, 0)});
    const std::string task_id = desk.Lease(worker)->task_id;
    EXPECT_OK(desk.Submit(AnswerOf(worker, task_id)));
    const NextTurn turn = {.task_id = task_id,
                           .worker_id = worker,
                           .left_chosen = true,
                           .message = "Why?",
                           .comparison_id = "c-" + worker};
    EXPECT_OK(desk.CarryOn(turn));
    return turn;
  }

  // The worker gets the task that is made of the dialogue that waits longest.
  static absl::StatusOr<Task> LeaseNextTurn(AnswerDesk& desk,
                                            const std::string& worker) {
    const std::optional<Continuation> waiting = desk.NextContinuation();
    EXPECT_EQ(waiting->worker_id, worker);
    desk.FinishContinuation(*waiting,
                            MakeTask(waiting->prompt, {"so", 1}, {"no", 1}, 1));
    return desk.Lease(worker);
  }
};

TEST_F(ForgottenAnswersTest, RetractedAnswersTurnLeavesTheDiskAtOnce) {
  auto desk = Start();
  NextTurn turn = CarryOn(*desk, "ada");
  CarryOn(*desk, "ben");
  EXPECT_EQ(ListDirectory(dir_ / "open_work").size(), 2u);
  ASSERT_OK(store_->Retract({.comparison_ids = {"c-ada"}}, "a slip", "grace"));
  ASSERT_OK(desk->ForgetAnswers({"c-ada"}));
  EXPECT_EQ(ListDirectory(dir_ / "open_work").size(), 1u);
  EXPECT_EQ(desk->NextContinuation()->worker_id, "ben") << "his is left alone";
  turn.comparison_id.clear();
  EXPECT_THAT(desk->CarryOn(turn), StatusIs(absl::StatusCode::kNotFound,
                                            HasSubstr("cannot be carried on")))
      << "nor does a page that names no answer bring it back";
  desk->Add({MakeTask(v1::Prompt(), {"c", 1}, {"d", 1}, 0)});
  EXPECT_OK(desk->Lease("ada")) << "she works on";
}

TEST_F(ForgottenAnswersTest, RetractedAnswersTurnThatBecameATaskGoesToo) {
  auto desk = Start();
  CarryOn(*desk, "ada");
  ASSERT_OK_AND_ASSIGN(const Task own, LeaseNextTurn(*desk, "ada"));
  ASSERT_OK(desk->ForgetAnswers({"c-ada"}));
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty());
  EXPECT_EQ(desk->GetTaskStats().num_leased, 0);
  Answer late = AnswerOf("ada", own.task_id);
  late.comparison_id = "c-late";
  EXPECT_THAT(desk->Submit(late),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no task")));
  desk->Add({MakeTask(v1::Prompt(), {"c", 1}, {"d", 1}, 0)});
  EXPECT_OK(desk->Lease("ada")) << "she works on";
}

TEST_F(ForgottenAnswersTest, KilledAfterTheRetractionItForgetsAtTheStart) {
  auto desk = Start();
  CarryOn(*desk, "ada");
  CarryOn(*desk, "ben");
  ASSERT_OK(LeaseNextTurn(*desk, "ada"));
  EXPECT_EQ(ListDirectory(dir_ / "open_work").size(), 2u);
  ASSERT_OK(store_->Retract({.comparison_ids = {"c-ada", "c-ben"}}, "a slip",
                            "grace"));
  desk = Start();
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty());
  EXPECT_FALSE(desk->NextContinuation().has_value());
  EXPECT_FALSE(desk->Lease("ada").ok());
}

TEST_F(ForgottenAnswersTest, RetractedAnswersTurnOfBeforeARestartGoesToo) {
  auto desk = Start();
  CarryOn(*desk, "ada");
  CarryOn(*desk, "ben");
  ASSERT_OK(LeaseNextTurn(*desk, "ada"));
  desk = Start();
  ASSERT_OK(desk->ForgetAnswers({"c-ada", "c-ben"}));
  EXPECT_TRUE(ListDirectory(dir_ / "open_work").empty());
  EXPECT_FALSE(desk->NextContinuation().has_value());
  EXPECT_FALSE(desk->Lease("ada").ok());
}

}  // namespace
}  // namespace rlhf
