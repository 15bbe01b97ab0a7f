#include "feedback/continuations.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/text/prompt_id.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

// A dialogue of `num_turns` human messages, answered with "yes" and "no".
Task MakeDialogue(int num_turns, int number = 0) {
  v1::Prompt prompt;
  for (int i = 0; i < num_turns; ++i) {
    if (i > 0) {
      v1::Message* const reply = prompt.add_messages();
      reply->set_role("assistant");
      reply->set_content("Indeed.");
    }
    v1::Message* const message = prompt.add_messages();
    message->set_role("user");
    message->set_content(absl::StrCat("Is it so, ", i, "?"));
  }
  prompt.set_prompt_id(PromptId(prompt.messages()));
  return MakeTask(prompt, {"yes", 1}, {"no", 1}, number);
}

NextTurn Turn(const Task& task, const std::string& message) {
  return {.task_id = task.task_id,
          .worker_id = "ada",
          .left_chosen = true,
          .message = message};
}

TEST(ContinuationsTest, ChosenSideAndMessageFollowTheDialogue) {
  for (const bool swapped : {false, true}) {
    Task task = MakeDialogue(1);
    task.shown_swapped = swapped;
    Continuations continuations;
    continuations.Remember(task, "ada", "c");
    NextTurn turn = Turn(task, "And now?");
    turn.left_chosen = false;
    ASSERT_OK(continuations.Add(turn, kStart));
    const v1::Prompt prompt = continuations.Next()->prompt;
    ASSERT_EQ(prompt.messages_size(), 3);
    EXPECT_EQ(prompt.messages(1).role(), "assistant");
    EXPECT_EQ(prompt.messages(1).content(), swapped ? "yes" : "no");
    EXPECT_EQ(prompt.messages(2).role(), "user");
    EXPECT_EQ(prompt.messages(2).content(), "And now?");
    EXPECT_EQ(prompt.prompt_id(), PromptId(prompt.messages()));
  }
}

TEST(ContinuationsTest, OnlyWhoAnsweredMayGoOnAndOnlyOnce) {
  Continuations continuations;
  const Task task = MakeDialogue(1);
  EXPECT_THAT(continuations.Add(Turn(task, "Go on"), kStart),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"ada\"")));
  continuations.Remember(task, "ben", "c");
  EXPECT_THAT(continuations.Add(Turn(task, "Go on"), kStart),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("cannot be")));
  continuations.Remember(task, "ada", "c");
  ASSERT_OK(continuations.Add(Turn(task, "Go on"), kStart));
  continuations.Finish(*continuations.Next(), MakeDialogue(2));
  EXPECT_OK(continuations.Add(Turn(task, "Go on"), kStart)) << "a retry";
  EXPECT_FALSE(continuations.Next().has_value())
      << "a retry asks for nothing again";
  EXPECT_THAT(continuations.Add(Turn(task, "Stop"), kStart),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("with other words")));
}

TEST(ContinuationsTest, TurnThatGotNoResponsesIsQueuedByARetry) {
  Continuations continuations;
  const Task task = MakeDialogue(1);
  continuations.Remember(task, "ada", "c");
  ASSERT_OK(continuations.Add(Turn(task, "Go on"), kStart));
  continuations.Finish(*continuations.Next(), std::nullopt);
  EXPECT_FALSE(continuations.Next().has_value());
  ASSERT_OK(continuations.Add(Turn(task, "Go on"), kStart));
  EXPECT_TRUE(continuations.Next().has_value()) << "what OK promises";
}

// They were written for a turn that was dropped meanwhile.
TEST(ContinuationsTest, ResponsesToAnEarlierTurnAreNotThoseOfTheNext) {
  Continuations continuations;
  const Task first = MakeDialogue(1);
  const Task second = MakeDialogue(2);
  continuations.Remember(first, "ada", "c");
  ASSERT_OK(continuations.Add(Turn(first, "Go on"), kStart));
  const Continuation dropped = *continuations.Next();
  // Another task of the same worker, and the same one with other words.
  for (const NextTurn& turn : {Turn(second, "Go on"), Turn(first, "Stop")}) {
    continuations.Forget("ada");
    continuations.Remember(first, "ada", "c");
    continuations.Remember(second, "ada", "c");
    ASSERT_OK(continuations.Add(turn, kStart));
    continuations.Finish(dropped, MakeDialogue(3));
    EXPECT_FALSE(continuations.Take("ada").has_value());
    continuations.Finish(dropped, std::nullopt);
    ASSERT_TRUE(continuations.Next().has_value()) << "it still waits";
    EXPECT_EQ(continuations.Next()->task_id, turn.task_id);
    continuations.Finish(*continuations.Next(), MakeDialogue(3));
    EXPECT_TRUE(continuations.Take("ada").has_value());
  }
}

TEST(ContinuationsTest, TurnFromBeforeARestartWaitsAgainOnce) {
  const Task task = MakeDialogue(1);
  Continuations before;
  before.Remember(task, "ada", "c");
  ASSERT_OK(before.Add(Turn(task, "Go on"), kStart));
  EXPECT_FALSE(before.WaitingOf("ben").has_value());
  const std::optional<Continuation> waiting = before.WaitingOf("ada");
  ASSERT_TRUE(waiting.has_value());

  Continuations after;
  after.Restore(*waiting, kStart);
  EXPECT_TRUE(after.IsAwaited("ada", kStart));
  EXPECT_EQ(after.Next()->prompt.messages_size(), 3);
  EXPECT_OK(after.Add(Turn(task, "Go on"), kStart)) << "a retry";
  EXPECT_THAT(after.Add(Turn(task, "Stop"), kStart),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("with other words")));
  after.Finish(*after.Next(), MakeDialogue(2));
  EXPECT_TRUE(after.Take("ada").has_value());
  EXPECT_FALSE(after.Next().has_value());
}

TEST(ContinuationsTest, TurnFromBeforeARestartThatFailsIsLookedUpAnew) {
  const Task task = MakeDialogue(1);
  Continuations before;
  before.Remember(task, "ada", "c");
  ASSERT_OK(before.Add(Turn(task, "Go on"), kStart));
  Continuations after;
  after.Restore(*before.WaitingOf("ada"), kStart);
  after.Finish(*after.Next(), std::nullopt);
  EXPECT_THAT(after.Add(Turn(task, "Go on"), kStart),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("cannot be")))
      << "the log knows the task, this does not";
}

TEST(ContinuationsTest, LongDialoguesAndMessagesAreRefused) {
  Continuations continuations;
  const Task last = MakeDialogue(Continuations::kMaxTurns);
  const Task one_less = MakeDialogue(Continuations::kMaxTurns - 1);
  continuations.Remember(last, "ada", "c");
  continuations.Remember(one_less, "ada", "c");
  EXPECT_THAT(
      continuations.Add(Turn(last, "Go on"), kStart),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("20 turns")));
  EXPECT_THAT(
      continuations.Add(Turn(one_less, " \n"), kStart),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is empty")));
  // Two bytes each: characters count, not bytes.
  std::string message;
  for (size_t i = 0; i < Continuations::kMaxMessageCharacters; ++i) {
    message += "é";
  }
  EXPECT_THAT(
      continuations.Add(Turn(one_less, message + "e"), kStart),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 4001")));
  EXPECT_OK(continuations.Add(Turn(one_less, message), kStart));
}

TEST(ContinuationsTest, WorkerWaitsForTheDialogueButNotForever) {
  Continuations continuations;
  const Task task = MakeDialogue(1);
  const Task other = MakeDialogue(2);
  continuations.Remember(task, "ada", "c");
  continuations.Remember(other, "ada", "c");
  EXPECT_FALSE(continuations.IsAwaited("ada", kStart));
  ASSERT_OK(continuations.Add(Turn(task, "Go on"), kStart));
  EXPECT_TRUE(continuations.IsAwaited("ada", kStart));
  EXPECT_FALSE(continuations.IsAwaited("ben", kStart));
  EXPECT_THAT(continuations.Add(Turn(other, "Go on"), kStart),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("try again")));
  EXPECT_FALSE(
      continuations.IsAwaited("ada", kStart + Continuations::kPatience));
}

TEST(ContinuationsTest, AnAnswerThatIsForgottenIsNotCarriedOnAndOthersAre) {
  Continuations continuations;
  const Task first = MakeDialogue(1, 1), second = MakeDialogue(1, 2);
  const NextTurn turn = Turn(first, "Go on");
  for (const bool is_task : {false, true}) {
    continuations.Remember(first, "ada", "c1");
    continuations.Remember(second, "ada", "c2");
    ASSERT_OK(continuations.Add(turn, kStart));
    EXPECT_EQ(continuations.ForgetAnswer("c2"), std::nullopt);
    EXPECT_EQ(continuations.Next()->comparison_id, "c1");
    if (is_task) continuations.Finish(*continuations.Next(), MakeDialogue(2));
    EXPECT_EQ(continuations.ForgetAnswer("c1"), "ada");
    EXPECT_FALSE(continuations.WaitingOf("ada").has_value());
    EXPECT_FALSE(continuations.Take("ada").has_value());
    EXPECT_THAT(
        continuations.Add(turn, kStart),
        StatusIs(absl::StatusCode::kNotFound, HasSubstr("cannot be carried")));
  }
}

TEST(ContinuationsTest, TaskIsTakenOnceByItsWorker) {
  Continuations continuations;
  const Task task = MakeDialogue(1);
  continuations.Remember(task, "ada", "c");
  ASSERT_OK(continuations.Add(Turn(task, "Go on"), kStart));
  EXPECT_FALSE(continuations.Take("ada").has_value());
  continuations.Finish(*continuations.Next(), MakeDialogue(2));
  EXPECT_FALSE(continuations.IsAwaited("ada", kStart));
  EXPECT_FALSE(continuations.Next().has_value());
  EXPECT_FALSE(continuations.Take("ben").has_value());
  EXPECT_EQ(continuations.Take("ada")->task_id, MakeDialogue(2).task_id);
  EXPECT_FALSE(continuations.Take("ada").has_value());
}

TEST(ContinuationsTest, QueueAndMemoryAreBounded) {
  Continuations continuations;
  for (size_t i = 0; i <= Continuations::kMaxRemembered; ++i) {
    continuations.Remember(MakeDialogue(1, static_cast<int>(i)),
                           absl::StrCat("w", i), absl::StrCat("c", i));
  }
  NextTurn turn = Turn(MakeDialogue(1, 0), "Go on");
  turn.worker_id = "w0";
  EXPECT_THAT(continuations.Add(turn, kStart),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("cannot be")));
  for (size_t i = 1; i <= Continuations::kMaxQueued + 1; ++i) {
    turn.task_id = MakeDialogue(1, static_cast<int>(i)).task_id;
    turn.worker_id = absl::StrCat("w", i);
    const absl::Status added = continuations.Add(turn, kStart).status();
    EXPECT_EQ(added.ok(), i <= Continuations::kMaxQueued) << i << " " << added;
  }
  // What nobody comes for makes room.
  continuations.Finish(*continuations.Next(), MakeDialogue(2));
  EXPECT_EQ(continuations.Add(turn, kStart).value(), "w1");
  EXPECT_FALSE(continuations.Take("w1").has_value());
}

}  // namespace
}  // namespace rlhf
