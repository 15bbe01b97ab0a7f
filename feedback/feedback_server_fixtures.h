// A feedback service of a run, and an actor that answers at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/json.h"
#include "core/base/mutex.h"
#include "core/telemetry/http_test_client.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "rlhf/v1/generation.grpc.pb.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {

// Answers every prompt with "first" and "second", or twice with "same".
class FakeActor final : public v1::Generation::Service {
 public:
  grpc::Status Generate(grpc::ServerContext*,
                        const v1::GenerateRequest* request,
                        v1::GenerateResponse* response) override {
    for (const v1::Prompt& prompt : request->prompts()) {
      {
        MutexLock lock(&mutex_);
        asked_.insert(prompt.prompt_id());
      }
      if (prompt.messages_size() == refused_messages) {
        return {grpc::StatusCode::INVALID_ARGUMENT, "the prompt is too long"};
      }
      if (prompt.messages_size() == failing_messages) {
        return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many wait"};
      }
      v1::PromptResponses* const result = response->add_results();
      const bool same = prompt.prompt_id() == "same";
      result->add_responses()->set_text(same ? "same" : "first");
      result->add_responses()->set_text(same ? "same" : "second");
    }
    response->set_policy_version(version);
    return grpc::Status::OK;
  }

  // The prompts that were asked for since the last call.
  std::set<std::string> TakeAsked() {
    MutexLock lock(&mutex_);
    return std::exchange(asked_, {});
  }

  // Of the policy.
  std::atomic<int64_t> version = 7;
  // Prompts of so many messages are refused.
  std::atomic<int> refused_messages = -1;
  // And these may be asked for again.
  std::atomic<int> failing_messages = -1;

 private:
  Mutex mutex_;
  std::set<std::string> asked_ ABSL_GUARDED_BY(mutex_);
};

inline v1::Prompt MakePrompt(const std::string& id) {
  v1::Prompt prompt;
  prompt.set_prompt_id(id);
  v1::Message* const message = prompt.add_messages();
  message->set_role("user");
  message->set_content("Tell me about " + id);
  return prompt;
}

class FeedbackServerTest : public ::testing::Test {
 protected:
  FeedbackServerTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&actor_);
    actor_server_ = builder.BuildAndStart();
    config_.set_name("test");
    config_.set_runs_dir(dir_.path());
    config_.mutable_actor()->set_address(absl::StrCat("127.0.0.1:", port));
    config_.mutable_feedback()->set_http_address("127.0.0.1:0");
    config_.mutable_feedback()->set_address("127.0.0.1:0");
    config_.mutable_feedback()->set_ready_tasks(3);
    config_.mutable_feedback()->set_max_comparisons(5);
  }

  // Works as one worker until the log is complete; returns the number of
  // answers saved.
  int WorkUntilComplete(const HttpTestClient& client,
                        const std::string& worker = "ada") {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    int num_saved = 0;
    while (absl::Now() < deadline) {
      const HttpTestReply task =
          client.Post("/api/task", DumpJson({{"worker_id", worker}}));
      if (task.status == 410) return num_saved;
      if (task.status != 200) continue;
      const Json answer = {{"task_id", ParseJson(task.body)->at("task_id")},
                           {"comparison_id", absl::StrCat(worker, num_saved)},
                           {"worker_id", worker},
                           {"choice", "right_better"},
                           {"strength", 1}};
      const HttpTestReply reply =
          client.Post("/api/comparison", DumpJson(answer));
      EXPECT_EQ(reply.status, 200) << reply.body;
      ++num_saved;
    }
    ADD_FAILURE() << "the log is not complete after 20 s";
    return num_saved;
  }

  // The task that ada gets as soon as there is one.
  static Json AskForTask(const HttpTestClient& client) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    HttpTestReply reply;
    while (reply.status != 200 && absl::Now() < deadline) {
      reply = client.Post("/api/task", R"({"worker_id": "ada"})");
    }
    EXPECT_EQ(reply.status, 200) << reply.body;
    return ParseJson(reply.body).value_or(Json());
  }

  // Ada answers a task and says what comes next in its dialogue.
  static void AnswerAndGoOn(const HttpTestClient& client) {
    const Json task = AskForTask(client);
    client.Post("/api/comparison", DumpJson({{"task_id", task["task_id"]},
                                             {"comparison_id", "c1"},
                                             {"worker_id", "ada"},
                                             {"choice", "tie"}}));
    client.Post("/api/continue", DumpJson({{"task_id", task["task_id"]},
                                           {"worker_id", "ada"},
                                           {"chosen", "left"},
                                           {"message", "And then?"}}));
  }

  TempDir dir_;
  FakeActor actor_;
  std::unique_ptr<grpc::Server> actor_server_;
  v1::RunConfig config_;
};

}  // namespace rlhf
