// The JSON API of a log of two comparisons, served over HTTP.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/telemetry/http_test_client.h"
#include "feedback/batch_api.h"
#include "feedback/http_api.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {

class HttpApiTest : public ::testing::Test {
 protected:
  HttpApiTest() {
    TaskScheduler::Options options;
    options.max_comparisons = 2;
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
    desk_ =
        std::make_unique<AnswerDesk>(options, store_.get(), &clock_, &metrics_);
    batches_ = std::make_unique<BatchDesk>(
        BatchDesk::Options(), store_.get(),
        [this](const std::vector<v1::Comparison>& comparisons) {
          return desk_->Import(comparisons);
        },
        nullptr, &clock_, &metrics_);
    batch_api_ = std::make_unique<BatchApi>(batches_.get(), &clock_, "");
    api_ = std::make_unique<HttpApi>(desk_.get(), store_.get(), &registry_,
                                     &metrics_);
    batch_api_->AddTo(*api_);
    auto server = HttpServer::Start(
        "127.0.0.1:0",
        [this](const HttpRequest& request) { return api_->Handle(request); },
        HttpApi::Limits());
    EXPECT_OK(server);
    server_ = *std::move(server);
    client_ = std::make_unique<HttpTestClient>(server_->port());
  }

  void AddTask(int number) {
    v1::Prompt prompt;
    v1::Message* const message = prompt.add_messages();
    message->set_role("user");
    message->set_content("<b>How many legs has a spider?</b>");
    desk_->Add({MakeTask(prompt, {"Eight.", 3}, {"Six.", 3}, number)});
  }

  // Leases a task for "ada"; its id.
  std::string LeaseTask() {
    const HttpTestReply reply =
        client_->Post("/api/task", R"({"worker_id": "ada"})");
    EXPECT_EQ(reply.status, 200) << reply.body;
    return ParseJson(reply.body)->at("task_id").get<std::string>();
  }

  HttpTestReply Answer(const std::string& task_id, const std::string& id,
                       const std::string& rest) {
    return client_->Post(
        "/api/comparison",
        absl::StrCat(R"({"worker_id": "ada", "task_id": ")", task_id,
                     R"(", "comparison_id": ")", id, "\", ", rest, "}"));
  }

  TempDir dir_;
  RealClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<AnswerDesk> desk_;
  std::unique_ptr<BatchDesk> batches_;
  std::unique_ptr<BatchApi> batch_api_;
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpTestClient> client_;
};

}  // namespace rlhf
