#include "feedback/answer_desk.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

class AnswerDeskTest : public ::testing::Test {
 protected:
  AnswerDeskTest() {
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
  }

  std::unique_ptr<AnswerDesk> MakeDesk(int64_t max_comparisons) {
    return std::make_unique<AnswerDesk>(
        TaskScheduler::Options{.ready_tasks = 100,
                               .max_comparisons = max_comparisons},
        store_.get(), &clock_, &metrics_);
  }

  Answer MakeAnswer(const std::string& task_id, const std::string& id) {
    return {.task_id = task_id,
            .comparison_id = id,
            .worker_id = "ada",
            .choice = ShownChoice::kTie,
            .source = "crowd"};
  }

  TempDir dir_;
  RealClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
};

TEST_F(AnswerDeskTest, SimultaneousRetriesSaveOneAnswer) {
  const auto desk = MakeDesk(0);
  desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
  ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
  std::atomic<int> num_acknowledged = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        // "Unavailable" means: another one is saving it right now.
        auto appended = desk->Submit(MakeAnswer(task.task_id, "c1"));
        while (absl::IsUnavailable(appended.status())) {
          appended = desk->Submit(MakeAnswer(task.task_id, "c1"));
        }
        EXPECT_OK(appended);
        if (appended.ok() && appended->seq == 1) ++num_acknowledged;
      });
    }
  }
  EXPECT_EQ(num_acknowledged, 8);
  EXPECT_EQ(store_->GetStats().num_comparisons, 1);
}

TEST_F(AnswerDeskTest, ManyWorkersEndTheLogAtExactlyTheLimit) {
  const auto desk = MakeDesk(50);
  for (int i = 0; i < 50; ++i) {
    desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, i)});
  }
  {
    std::vector<std::jthread> threads;
    for (int worker = 0; worker < 6; ++worker) {
      threads.emplace_back([&, worker] {
        const std::string name = absl::StrCat("w", worker);
        while (true) {
          const auto task = desk->Lease(name);
          if (absl::IsOutOfRange(task.status())) return;
          if (!task.ok()) continue;
          Answer answer = MakeAnswer(task->task_id, task->task_id + name);
          answer.worker_id = name;
          EXPECT_OK(desk->Submit(answer));
        }
      });
    }
  }
  EXPECT_EQ(store_->GetStats().num_comparisons, 50);
  EXPECT_OK(store_->VerifyChain());
}

TEST_F(AnswerDeskTest, AnswerSavedBeforeARestartIsAcknowledgedAfterIt) {
  std::string task_id;
  {
    const auto desk = MakeDesk(0);
    desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
    task_id = desk->Lease("ada")->task_id;
    ASSERT_OK(desk->Submit(MakeAnswer(task_id, "c1")));
  }
  const auto desk = MakeDesk(0);
  ASSERT_OK_AND_ASSIGN(const auto retry,
                       desk->Submit(MakeAnswer(task_id, "c1")));
  EXPECT_TRUE(retry.duplicate);
  EXPECT_THAT(desk->Submit(MakeAnswer(task_id, "c2")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(task_id)));
}

TEST_F(AnswerDeskTest,
       RetriedAnswerThatWasRetractedIsAcknowledgedAndStaysGone) {
  const auto desk = MakeDesk(0);
  desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
  const std::string task_id = desk->Lease("ada")->task_id;
  ASSERT_OK(desk->Submit(MakeAnswer(task_id, "c1")));
  ASSERT_OK(store_->Retract({.comparison_ids = {"c1"}}, "asked to", "grace"));
  ASSERT_OK_AND_ASSIGN(const auto retry,
                       desk->Submit(MakeAnswer(task_id, "c1")));
  EXPECT_TRUE(retry.duplicate);
  EXPECT_EQ((*store_->Find("c1"))->choice(), v1::RETRACTED);
}

TEST_F(AnswerDeskTest, AnswerWhoseCommitWasMadeUnheardCountsAsSaved) {
  const auto desk = MakeDesk(0);
  desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
  ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
  // What the lost commit wrote.
  v1::Comparison written;
  written.set_comparison_id("c1");
  written.mutable_prompt();
  written.set_response_a("a");
  written.set_response_b("b");
  written.set_choice(v1::TIE);
  written.set_worker_id("ada");
  written.set_shown_swapped(task.shown_swapped);
  written.set_policy_version_a(1);
  written.set_policy_version_b(1);
  written.set_source("crowd");
  ASSERT_OK(store_->Append(written));
  ASSERT_OK_AND_ASSIGN(const auto saved,
                       desk->Submit(MakeAnswer(task.task_id, "c1")));
  EXPECT_EQ(saved.seq, 1);
  EXPECT_THAT(desk->Lease("ada"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no task")))
      << "the task is not offered again";
  ASSERT_EQ(desk->Workers().size(), 1u);
  EXPECT_EQ(desk->Workers()[0].view.num_answers, 1);
}

TEST_F(AnswerDeskTest, TasksBearOtherNamesThanTheirContentTells) {
  const Task made = MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0);
  AnswerDesk desk({.secret = "of the run"}, store_.get(), &clock_, &metrics_);
  desk.Add({made});
  ASSERT_OK_AND_ASSIGN(const Task task, desk.Lease("ada"));
  EXPECT_NE(task.task_id, made.task_id);
  EXPECT_EQ(task.task_id.size(), made.task_id.size());
  EXPECT_OK(desk.Submit(MakeAnswer(task.task_id, "c1")));
}

TEST_F(AnswerDeskTest, IdOfAnotherAnswerIsRefusedAndTheTaskStaysOpen) {
  const auto desk = MakeDesk(0);
  desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0),
             MakeTask(v1::Prompt(), {"c", 1}, {"d", 1}, 1)});
  ASSERT_OK(desk->Submit(MakeAnswer(desk->Lease("ada")->task_id, "c1")));
  const std::string second = desk->Lease("ada")->task_id;
  EXPECT_THAT(
      desk->Submit(MakeAnswer(second, "c1")),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("make a new id")));
  EXPECT_OK(desk->Submit(MakeAnswer(second, "c2")));
}

// Two wrong gold answers pause, two right ones are good.
constexpr WorkerTestRule kTwoDecide = {.right_points = 1,
                                       .wrong_points = 1,
                                       .pause_at = 2,
                                       .good_at = -2,
                                       .lowest = -4};

class GoldDeskTest : public AnswerDeskTest {
 protected:
  std::unique_ptr<AnswerDesk> MakeGoldDesk(
      const std::string& open_work_folder = "") {
    std::string lines;
    for (int i = 0; i < 10; ++i) {
      absl::StrAppend(&lines, "{\"prompt\": \"", i,
                      "?\", \"chosen\": \"right\", \"rejected\": \"no\"}\n");
    }
    EXPECT_OK(WriteFileAtomically(dir_ / "gold.jsonl", lines));
    WorkerBook::Options options;
    options.rule = kTwoDecide;
    options.gold = *GoldQuestions::Read(dir_ / "gold.jsonl");
    options.gold_share = 0.01;
    options.pauses_path = dir_ / "pauses.json";
    options.words = *ReadPersonsWords(options.pauses_path);
    auto desk = std::make_unique<AnswerDesk>(
        TaskScheduler::Options{.ready_tasks = 100}, store_.get(), &clock_,
        &metrics_, std::make_unique<WorkerBook>(options));
    EXPECT_OK(desk->ReadLog(open_work_folder));
    desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
    return desk;
  }

  // Answers the task right or wrong, if it is gold: "right" is right.
  void AnswerGold(AnswerDesk& desk, bool right) {
    ASSERT_OK_AND_ASSIGN(const Task task, desk.Lease("ada"));
    ASSERT_EQ(task.response_a, "right");
    Answer answer = MakeAnswer(task.task_id, task.task_id);
    answer.choice = task.shown_swapped == right ? ShownChoice::kRightBetter
                                                : ShownChoice::kLeftBetter;
    answer.strength = 1;
    ASSERT_OK(desk.Submit(answer));
  }
};

TEST_F(GoldDeskTest, WorkerQualifiesOnGoldWhichIsStoredAsSuch) {
  const auto desk = MakeGoldDesk();
  AnswerGold(*desk, true);
  AnswerGold(*desk, true);
  ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
  EXPECT_EQ(task.response_a, "a") << "an ordinary task";
  ASSERT_OK_AND_ASSIGN(const auto answers, store_->Read(1, 2));
  for (const v1::Comparison& stored : answers) {
    EXPECT_EQ(stored.source(), "gold");
    EXPECT_EQ(stored.choice(), v1::A_BETTER);
  }
  EXPECT_EQ(store_->GetStats().num_decided, 0) << "nothing to learn from";
  EXPECT_EQ(metrics_.gold_right.Value(), 2);
}

TEST_F(GoldDeskTest, WorkerWhoFailsIsPausedAndStaysSoAfterARestart) {
  {
    const auto desk = MakeGoldDesk();
    AnswerGold(*desk, false);
    AnswerGold(*desk, false);
    EXPECT_THAT(desk->Lease("ada"),
                StatusIs(absl::StatusCode::kPermissionDenied,
                         HasSubstr("your work is paused")));
    EXPECT_EQ(metrics_.gold_wrong.Value(), 2);
    EXPECT_EQ(metrics_.workers_paused.Value(), 1);
  }
  const auto desk = MakeGoldDesk();
  EXPECT_FALSE(desk->Lease("ada").ok());
  ASSERT_OK(desk->SetPaused("ada", false, "rita", "another chance"));
  EXPECT_OK(desk->Lease("ada"));
}

TEST_F(GoldDeskTest, PausedWorkerMayHandInWhatWasBegun) {
  const auto desk = MakeGoldDesk();
  ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
  ASSERT_OK(desk->SetPaused("ada", true, "rita", ""));
  EXPECT_FALSE(desk->Lease("ada").ok());
  EXPECT_OK(desk->Submit(MakeAnswer(task.task_id, "c1")));
}

TEST_F(GoldDeskTest, GoldQuestionGivenBeforeARestartIsAnsweredAfterItAsGold) {
  std::string task_id;
  {
    const auto desk = MakeGoldDesk(dir_ / "open_work");
    task_id = desk->Lease("ada")->task_id;
  }
  const auto desk = MakeGoldDesk(dir_ / "open_work");
  ASSERT_OK(desk->Submit(MakeAnswer(task_id, "c1")));
  EXPECT_EQ(store_->Read(1, 1)->at(0).source(), "gold");
  EXPECT_NE(desk->Lease("ada")->task_id, task_id) << "the next question";
}

TEST_F(GoldDeskTest, OwnDialogueComesBeforeTheNextGoldQuestion) {
  const auto desk = MakeGoldDesk();
  ASSERT_OK_AND_ASSIGN(const Task gold, desk->Lease("ada"));
  Answer answer = MakeAnswer(gold.task_id, "c1");
  answer.source = "page";
  ASSERT_OK(desk->Submit(answer));
  ASSERT_OK(desk->CarryOn({.task_id = gold.task_id,
                           .worker_id = "ada",
                           .left_chosen = true,
                           .message = "Why?"}));
  EXPECT_THAT(desk->Lease("ada"), StatusIs(absl::StatusCode::kUnavailable,
                                           HasSubstr("being written")));
  const std::optional<Continuation> waiting = desk->NextContinuation();
  ASSERT_TRUE(waiting.has_value());
  desk->FinishContinuation(
      *waiting, MakeTask(waiting->prompt, {"so", 1}, {"thus", 1}, 1));
  ASSERT_OK_AND_ASSIGN(const Task next, desk->Lease("ada"));
  EXPECT_EQ(next.response_a, "so");
  EXPECT_FALSE(next.gold) << "only its first turn was";
  ASSERT_OK(desk->Submit(MakeAnswer(next.task_id, "c2")));
  EXPECT_EQ(desk->Lease("ada")->response_a, "right") << "the next question";
}

TEST_F(AnswerDeskTest, ResponsesThatComeLateAreNotThoseOfTheNextDialogue) {
  const auto desk = MakeDesk(0);
  desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0),
             MakeTask(v1::Prompt(), {"c", 1}, {"d", 1}, 1)});
  std::optional<Continuation> dropped;
  for (const char* const id : {"c1", "c2"}) {
    ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
    Answer answer = MakeAnswer(task.task_id, id);
    answer.source = "page";
    ASSERT_OK(desk->Submit(answer));
    ASSERT_OK(desk->CarryOn({.task_id = task.task_id,
                             .worker_id = "ada",
                             .left_chosen = true,
                             .message = "Why?"}));
    if (dropped.has_value()) break;
    dropped = desk->NextContinuation();
    ASSERT_OK(desk->ForgetWorker("ada"));
  }
  desk->FinishContinuation(
      *dropped, MakeTask(dropped->prompt, {"so", 1}, {"thus", 1}, 1));
  EXPECT_THAT(desk->Lease("ada"), StatusIs(absl::StatusCode::kUnavailable,
                                           HasSubstr("being written")));
  ASSERT_TRUE(desk->NextContinuation().has_value());
  EXPECT_NE(desk->NextContinuation()->task_id, dropped->task_id);
}

TEST_F(AnswerDeskTest, DialogueIsKeptForAWorkerWhoMayHaveNoTaskYet) {
  FakeClock clock;
  AnswerDesk desk({.max_comparisons = 2}, store_.get(), &clock, &metrics_);
  desk.Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0),
            MakeTask(v1::Prompt(), {"c", 1}, {"d", 1}, 1)});
  ASSERT_OK_AND_ASSIGN(const Task first, desk.Lease("ada"));
  ASSERT_OK(desk.Lease("ben"));
  Answer answer = MakeAnswer(first.task_id, "c1");
  answer.source = "page";
  ASSERT_OK(desk.Submit(answer));
  ASSERT_OK(desk.CarryOn({.task_id = first.task_id,
                          .worker_id = "ada",
                          .left_chosen = true,
                          .message = "Why?"}));
  const std::optional<Continuation> waiting = desk.NextContinuation();
  ASSERT_TRUE(waiting.has_value());
  desk.FinishContinuation(*waiting,
                          MakeTask(waiting->prompt, {"so", 1}, {"thus", 1}, 1));
  // Ben holds the last comparison of the run.
  EXPECT_THAT(desk.Lease("ada"), StatusIs(absl::StatusCode::kUnavailable,
                                          HasSubstr("no task is ready")));
  clock.Advance(absl::Minutes(11));
  ASSERT_OK_AND_ASSIGN(const Task next, desk.Lease("ada"));
  EXPECT_EQ(next.response_a, "so");
}

TEST_F(AnswerDeskTest, AnsweredDialogueGoesOnAfterARestart) {
  NextTurn turn = {.worker_id = "ada",
                   .left_chosen = true,
                   .message = "Why?",
                   .comparison_id = "c1"};
  std::string left;
  {
    const auto desk = MakeDesk(0);
    desk->Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
    ASSERT_OK_AND_ASSIGN(const Task task, desk->Lease("ada"));
    turn.task_id = task.task_id;
    left = task.shown_swapped ? task.response_b : task.response_a;
    Answer answer = MakeAnswer(task.task_id, "c1");
    answer.source = "page";
    ASSERT_OK(desk->Submit(answer));
  }
  const auto desk = MakeDesk(0);
  NextTurn other = turn;
  other.worker_id = "ben";
  EXPECT_THAT(desk->CarryOn(other),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"ben\"")));
  other = turn;
  other.comparison_id = "c9";
  EXPECT_THAT(desk->CarryOn(other),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"ada\"")));
  ASSERT_OK(desk->CarryOn(turn));
  const std::optional<Continuation> waiting = desk->NextContinuation();
  ASSERT_TRUE(waiting.has_value());
  ASSERT_EQ(waiting->prompt.messages_size(), 2);
  EXPECT_EQ(waiting->prompt.messages(0).content(), left);
  EXPECT_EQ(waiting->prompt.messages(1).content(), "Why?");
}

TEST_F(AnswerDeskTest, RedTeamChoiceIsStoredInverted) {
  const auto desk = MakeDesk(0);
  Task task = MakeTask(v1::Prompt(), {"harmful", 1}, {"harmless", 1}, 0);
  task.kind = v1::RED_TEAM;
  desk->Add({task});
  ASSERT_OK_AND_ASSIGN(const Task leased, desk->Lease("ada"));
  Answer answer = MakeAnswer(leased.task_id, "c1");
  answer.choice = leased.shown_swapped ? ShownChoice::kRightBetter
                                       : ShownChoice::kLeftBetter;
  answer.strength = 2;
  answer.edited_response = "better";
  EXPECT_THAT(desk->Submit(answer), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr("edited_response")));
  answer.edited_response.clear();
  ASSERT_OK(desk->Submit(answer));
  const v1::Comparison stored = store_->Read(1, 1)->at(0);
  EXPECT_EQ(stored.choice(), v1::B_BETTER) << "the harmless one";
  EXPECT_EQ(stored.task_kind(), v1::RED_TEAM);
  ASSERT_OK_AND_ASSIGN(const auto again, desk->Submit(answer));
  EXPECT_TRUE(again.duplicate);
}

TEST_F(AnswerDeskTest, WhatTheTaskAndThePageSayIsStored) {
  const auto desk = MakeDesk(0);
  Task task = MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0);
  task.pm_version = 4;
  task.sampling.set_max_new_tokens(128);
  desk->Add({task});
  Answer answer = MakeAnswer(desk->Lease("ada")->task_id, "c1");
  answer.comment = "hm";
  answer.flagged = true;
  answer.interface_version = "page 2";
  ASSERT_OK(desk->Submit(answer));
  const v1::Comparison stored = store_->Read(1, 1)->at(0);
  EXPECT_EQ(stored.pm_version(), 4);
  EXPECT_EQ(stored.sampling().max_new_tokens(), 128);
  EXPECT_EQ(stored.comment(), "hm");
  EXPECT_TRUE(stored.flagged());
  EXPECT_EQ(stored.interface_version(), "page 2");
  answer.comment = "another";
  EXPECT_THAT(desk->Submit(answer), StatusIs(absl::StatusCode::kAlreadyExists,
                                             HasSubstr("with another answer")));
}

TEST_F(AnswerDeskTest, TaskWithAnswersMissingIsOfferedAgainAfterARestart) {
  const TaskScheduler::Options two = {.ready_tasks = 1, .overlap = 2};
  {
    AnswerDesk desk(two, store_.get(), &clock_, &metrics_);
    desk.Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
    ASSERT_OK(desk.Submit(MakeAnswer(desk.Lease("ada")->task_id, "c1")));
  }
  AnswerDesk desk(two, store_.get(), &clock_, &metrics_);
  ASSERT_OK(desk.ReadLog());
  EXPECT_FALSE(desk.Lease("ada").ok()) << "she has answered it";
  ASSERT_OK_AND_ASSIGN(const Task task, desk.Lease("ben"));
  EXPECT_EQ(task.response_a, "a");
  Answer second = MakeAnswer(task.task_id, "c2");
  second.worker_id = "ben";
  ASSERT_OK(desk.Submit(second));
  EXPECT_EQ(desk.Agreement().num_pairs, 1);
}

TEST_F(AnswerDeskTest, AnswersBeforeARestartCountForTheWorkersLimit) {
  const TaskScheduler::Options one = {.max_answers_per_worker = 1};
  {
    AnswerDesk desk(one, store_.get(), &clock_, &metrics_);
    desk.Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
    ASSERT_OK(desk.Submit(MakeAnswer(desk.Lease("ada")->task_id, "c1")));
  }
  AnswerDesk desk(one, store_.get(), &clock_, &metrics_);
  ASSERT_OK(desk.ReadLog());
  desk.Add({MakeTask(v1::Prompt(), {"c", 1}, {"d", 1}, 1)});
  EXPECT_THAT(desk.Lease("ada"), StatusIs(absl::StatusCode::kPermissionDenied,
                                          HasSubstr("thank you")));
  EXPECT_OK(desk.Lease("ben"));
}

}  // namespace
}  // namespace rlhf
