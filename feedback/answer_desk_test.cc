#include "feedback/answer_desk.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
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

}  // namespace
}  // namespace rlhf
