// A desk that keeps what people have in hand, and may be restarted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "feedback/answer_desk.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {

inline NextTurn AdasTurn(const std::string& task_id) {
  return {.task_id = task_id,
          .worker_id = "ada",
          .left_chosen = true,
          .message = "Why?",
          .comparison_id = "c-ada"};
}

class RestartedDeskTest : public ::testing::Test {
 protected:
  RestartedDeskTest() {
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &time_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
  }

  std::unique_ptr<AnswerDesk> Start(const TaskScheduler::Options& options = {
                                        .lease = absl::Minutes(10)}) {
    auto desk =
        std::make_unique<AnswerDesk>(options, store_.get(), &time_, &metrics_);
    EXPECT_OK(desk->ReadLog(dir_ / "open_work"));
    return desk;
  }

  static std::vector<Task> OneTask() {
    return {MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)};
  }

  static Answer AnswerOf(const std::string& worker,
                         const std::string& task_id) {
    return {.task_id = task_id,
            .comparison_id = "c-" + worker,
            .worker_id = worker,
            .choice = ShownChoice::kTie,
            .source = "page"};
  }

  TempDir dir_;
  FakeClock time_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
};

}  // namespace rlhf
