// Answers that wait for the preference store over HTTP.
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/telemetry/http_test_client.h"
#include "feedback/http_api.h"
#include "feedback/sqlite_table.h"
#include "feedback/test_cut_table.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

// More than the server has threads of its own.
constexpr int kAnswers = 8;

class SavingLaneTest : public ::testing::Test {
 protected:
  SavingLaneTest() {
    auto table = SqliteTable::Open(dir_ / "comparisons.db");
    EXPECT_OK(table);
    auto slow = std::make_unique<CutTable>(*std::move(table), 1000);
    table_ = slow.get();
    auto store =
        PreferenceStore::OpenTable(std::move(slow), &clock_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
    desk_ = std::make_unique<AnswerDesk>(TaskScheduler::Options(), store_.get(),
                                         &clock_, &metrics_);
    api_ = std::make_unique<HttpApi>(desk_.get(), store_.get(), &registry_,
                                     &metrics_);
    auto server = HttpServer::Start(
        "127.0.0.1:0",
        [this](const HttpRequest& request) { return api_->Handle(request); },
        HttpApi::Limits());
    EXPECT_OK(server);
    server_ = *std::move(server);
  }

  // What the worker, who has no task yet, answers to one.
  std::string AnswerOf(const HttpTestClient& client, int worker) {
    v1::Prompt prompt;
    prompt.add_messages()->set_role("user");
    desk_->Add({MakeTask(prompt, {"Eight.", 3}, {"Six.", 3}, worker)});
    const HttpTestReply task = client.Post(
        "/api/task", absl::StrCat(R"({"worker_id": "w)", worker, R"("})"));
    EXPECT_EQ(task.status, 200) << task.body;
    return DumpJson({{"worker_id", absl::StrCat("w", worker)},
                     {"task_id", (*ParseJson(task.body))["task_id"]},
                     {"comparison_id", absl::StrCat("c", worker)},
                     {"choice", "tie"}});
  }

  TempDir dir_;
  RealClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  CutTable* table_ = nullptr;
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<AnswerDesk> desk_;
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(SavingLaneTest, WhileTheStoreIsAwayThePageAndTheMetricsAreServed) {
  const HttpTestClient client(server_->port());
  std::vector<std::string> answers;
  for (int i = 0; i < kAnswers; ++i) answers.push_back(AnswerOf(client, i));
  std::promise<void> is_back;
  table_->on_commit = [back = is_back.get_future().share()] { back.wait(); };
  std::vector<std::future<HttpTestReply>> replies;
  for (const std::string& answer : answers) {
    replies.push_back(std::async(std::launch::async, [&client, &answer] {
      return client.Post("/api/comparison", answer);
    }));
  }
  const absl::Time deadline = MonotonicNow() + absl::Seconds(5);
  while (desk_->GetTaskStats().num_leased > 0 && MonotonicNow() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(desk_->GetTaskStats().num_leased, 0) << "all wait for the store";
  EXPECT_EQ(client.Get("/metrics").status, 200);
  EXPECT_EQ(client.Get("/").status, 200);
  is_back.set_value();
  for (auto& reply : replies) EXPECT_EQ(reply.get().status, 200);
  EXPECT_EQ(store_->GetStats().num_comparisons, kAnswers);
}

}  // namespace
}  // namespace rlhf
