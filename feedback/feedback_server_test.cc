#include "feedback/feedback_server.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/mutex.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "core/rpc/channel.h"
#include "core/rpc/health.h"
#include "core/telemetry/http_test_client.h"
#include "feedback/training_prompts.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "rlhf/v1/feedback_import.grpc.pb.h"
#include "rlhf/v1/generation.grpc.pb.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "rlhf/v1/store.grpc.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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

// A PM of two members who disagree about dogs alone.
class FakeReward final : public v1::Reward::Service {
 public:
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    v1::MemberScores* const one = response->add_members();
    v1::MemberScores* const other = response->add_members();
    for (const v1::ScoredDialogue& dialogue : request->dialogues()) {
      const bool first = dialogue.response() == "first";
      const bool dogs = dialogue.prompt(0).content() == "Tell me about dogs";
      one->add_scores(first ? 1 : 0);
      other->add_scores(first != dogs ? 1 : 0);
      response->add_scores(0);
    }
    response->mutable_pm()->set_version(3);
    response->mutable_pm()->set_digest("d");
    return grpc::Status::OK;
  }
};

v1::Prompt MakePrompt(const std::string& id) {
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

TEST_F(FeedbackServerTest, TasksFlowFromTheActorToTheLogAndEndAtTheLimit) {
  ASSERT_OK_AND_ASSIGN(
      const auto server,
      FeedbackServer::Start(config_, {MakePrompt("cats"), MakePrompt("same"),
                                      MakePrompt("dogs")}));
  EXPECT_EQ(WorkUntilComplete(HttpTestClient(server->http_port())), 5);

  const auto stub = v1::Feedback::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server->grpc_port()),
                          grpc::InsecureChannelCredentials()));
  grpc::ClientContext stats_context;
  v1::FeedbackStats stats;
  ASSERT_TRUE(stub->GetStats(&stats_context, {}, &stats).ok());
  EXPECT_EQ(stats.num_comparisons(), 5);
  EXPECT_EQ(stats.num_decided(), 5);
  EXPECT_EQ(stats.num_workers(), 1);
  EXPECT_EQ(stats.num_ready_tasks(), 0) << "none is made in vain";

  grpc::ClientContext context;
  v1::ReadComparisonsRequest request;
  request.set_first_seq(2);
  request.set_last_seq(4);
  const auto reader = stub->ReadComparisons(&context, request);
  v1::Comparison comparison;
  for (int seq = 2; seq <= 4; ++seq) {
    ASSERT_TRUE(reader->Read(&comparison));
    EXPECT_EQ(comparison.seq(), seq);
    EXPECT_NE(comparison.prompt().prompt_id(), "same");
    EXPECT_EQ(comparison.response_a(), "first");
    EXPECT_EQ(comparison.response_b(), "second");
    EXPECT_EQ(comparison.policy_version_a(), 7);
  }
  EXPECT_FALSE(reader->Read(&comparison));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(FeedbackServerTest, WhoReadsTheLogIsToldHowManyRetractionsThereWere) {
  ASSERT_OK_AND_ASSIGN(
      const auto server,
      FeedbackServer::Start(config_, {MakePrompt("cats"), MakePrompt("same"),
                                      MakePrompt("dogs")}));
  ASSERT_EQ(WorkUntilComplete(HttpTestClient(server->http_port())), 5);
  const auto channel =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server->grpc_port()),
                          grpc::InsecureChannelCredentials());
  v1::RetractRequest request;
  request.add_comparison_ids("ada0");
  request.add_comparison_ids("ada3");
  request.set_by("ada");
  request.set_reason("asked");
  grpc::ClientContext context, stats_context;
  v1::RetractResponse response;
  ASSERT_TRUE(v1::FeedbackImport::NewStub(channel)
                  ->Retract(&context, request, &response)
                  .ok());
  v1::FeedbackStats stats;
  ASSERT_TRUE(v1::Feedback::NewStub(channel)
                  ->GetStats(&stats_context, {}, &stats)
                  .ok());
  EXPECT_EQ(stats.num_retractions(), 2);
}

TEST_F(FeedbackServerTest, DialogueGoesOnWithTheChosenAnswerForTheSameWorker) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  const HttpTestClient client(server->http_port());
  const Json first = AskForTask(client);
  ASSERT_EQ(
      client
          .Post("/api/comparison", DumpJson({{"task_id", first["task_id"]},
                                             {"comparison_id", "c1"},
                                             {"worker_id", "ada"},
                                             {"choice", "right_better"},
                                             {"strength", 1}}))
          .status,
      200);
  ASSERT_EQ(client
                .Post("/api/continue", DumpJson({{"task_id", first["task_id"]},
                                                 {"worker_id", "ada"},
                                                 {"chosen", "right"},
                                                 {"message", "And then?"}}))
                .status,
            200);
  const Json second = AskForTask(client);
  ASSERT_EQ(second["messages"].size(), 3u);
  EXPECT_EQ(second["messages"][0], first["messages"][0]);
  EXPECT_EQ(second["messages"][1]["role"], "assistant");
  EXPECT_EQ(second["messages"][1]["content"], first["right"]);
  EXPECT_EQ(second["messages"][2]["content"], "And then?");
}

TEST_F(FeedbackServerTest, PromptsGoOnWhereTheyWereBeforeARestart) {
  std::vector<v1::Prompt> prompts;
  for (int i = 0; i < 40; ++i) {
    prompts.push_back(MakePrompt(absl::StrCat("thing ", i)));
  }
  std::string task_id;
  {
    ASSERT_OK_AND_ASSIGN(const auto server,
                         FeedbackServer::Start(config_, prompts));
    const HttpTestClient client(server->http_port());
    task_id = AskForTask(client)["task_id"].get<std::string>();
    // Nothing is on its way any more that the end would cancel.
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    int num_ready = 0;
    while (num_ready < 3 && absl::Now() < deadline) {
      num_ready =
          ParseJson(client.Get("/api/stats").body)->at("num_ready_tasks");
    }
    EXPECT_EQ(num_ready, 3);
  }
  const std::set<std::string> before = actor_.TakeAsked();
  EXPECT_EQ(before.size(), 4u);
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, prompts));
  EXPECT_EQ(AskForTask(HttpTestClient(server->http_port()))["task_id"], task_id)
      << "what ada has in hand stays";
  std::set<std::string> after;
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (after.empty() && absl::Now() < deadline) after = actor_.TakeAsked();
  ASSERT_FALSE(after.empty());
  for (const std::string& id : after) EXPECT_FALSE(before.contains(id)) << id;
}

TEST_F(FeedbackServerTest, ResponsesOfEarlierVersionsComeBackAfterARestart) {
  config_.mutable_feedback()->set_past_share(1);
  {
    ASSERT_OK_AND_ASSIGN(const auto server,
                         FeedbackServer::Start(config_, {MakePrompt("cats")}));
    EXPECT_EQ(WorkUntilComplete(HttpTestClient(server->http_port())), 5);
  }
  actor_.version = 8;
  config_.mutable_feedback()->set_max_comparisons(15);
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  EXPECT_EQ(WorkUntilComplete(HttpTestClient(server->http_port()), "ben"), 10);
  const auto stub = v1::Feedback::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server->grpc_port()),
                          grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ReadComparisonsRequest request;
  request.set_first_seq(6);
  request.set_last_seq(15);
  const auto reader = stub->ReadComparisons(&context, request);
  v1::Comparison comparison;
  int num_across = 0;
  while (reader->Read(&comparison)) {
    EXPECT_EQ(comparison.policy_version_a(), 8);
    num_across += comparison.policy_version_b() == 7 ? 1 : 0;
  }
  // The first are made before the actor has told of its version.
  EXPECT_GE(num_across, 10 - 2 * config_.feedback().ready_tasks());
}

TEST_F(FeedbackServerTest, DialogueThatTheActorRefusesEnds) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  actor_.refused_messages = 3;
  const HttpTestClient client(server->http_port());
  AnswerAndGoOn(client);
  EXPECT_EQ(AskForTask(client)["messages"].size(), 1u)
      << "another task instead";
}

TEST_F(FeedbackServerTest, DialogueThatTheActorFailsOnKeepsNobodyElseWaiting) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  actor_.failing_messages = 3;
  const HttpTestClient client(server->http_port());
  AnswerAndGoOn(client);
  EXPECT_EQ(WorkUntilComplete(client, "ben"), 4)
      << "more than were ready before";
}

TEST_F(FeedbackServerTest, HeldOutPromptsNeverBecomeTasks) {
  std::string lines;
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&lines, "{\"prompt\": \"Question ", i, "\"}\n");
  }
  config_.set_prompts(dir_ / "prompts.jsonl");
  ASSERT_OK(WriteFileAtomically(config_.prompts(), lines));
  config_.set_held_out_prompt_share(0);
  EXPECT_EQ(LoadTrainingPrompts(config_)->size(), 100u);
  // 50 +- 5 standard deviations of 100 fair coins.
  config_.set_held_out_prompt_share(0.5);
  EXPECT_NEAR(LoadTrainingPrompts(config_)->size(), 50, 25);
  config_.set_held_out_prompt_share(1);
  EXPECT_THAT(LoadTrainingPrompts(config_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("all 100 prompts are held out"),
                             HasSubstr("held_out_prompt_share"))));
}

TEST_F(FeedbackServerTest, ReadingBeyondTheLogIsRefused) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  const auto stub = v1::Feedback::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server->grpc_port()),
                          grpc::InsecureChannelCredentials()));
  const auto read = [&](int64_t first, int64_t last) {
    grpc::ClientContext context;
    v1::ReadComparisonsRequest request;
    request.set_first_seq(first);
    request.set_last_seq(last);
    return stub->ReadComparisons(&context, request)->Finish();
  };
  EXPECT_EQ(read(0, 0).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(read(1, 1).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_THAT(read(1, 1).error_message(), HasSubstr("the log has 0"));
}

TEST_F(FeedbackServerTest, StoreIsVerifiedAndCopiedWhileItServes) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  EXPECT_EQ(WorkUntilComplete(HttpTestClient(server->http_port())), 5);
  const auto stub = v1::Store::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server->grpc_port()),
                          grpc::InsecureChannelCredentials()));
  grpc::ClientContext verify_context;
  v1::StoreState state;
  ASSERT_TRUE(stub->Verify(&verify_context, {}, &state).ok());
  EXPECT_EQ(state.num_comparisons(), 5);
  EXPECT_EQ(state.chain_head().size(), 64u);

  const auto back_up = [&](const std::string& name,
                           v1::BackupStoreResponse& response) {
    grpc::ClientContext context;
    v1::BackupStoreRequest request;
    request.set_name(name);
    return stub->Backup(&context, request, &response);
  };
  v1::BackupStoreResponse response;
  ASSERT_TRUE(back_up("copy.db", response).ok());
  EXPECT_EQ(response.path(), dir_ / "test/feedback/backups/copy.db");
  EXPECT_TRUE(FileExists(response.path()));
  EXPECT_EQ(response.state().chain_head(), state.chain_head());
  EXPECT_EQ(back_up("copy.db", response).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
  for (const char* const name : {"", "../copy.db", "/tmp/copy.db", ".copy"}) {
    EXPECT_EQ(back_up(name, response).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT)
        << name;
  }
}

TEST_F(FeedbackServerTest, PortsInUseNameTheFieldAndTheAddress) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  v1::RunConfig other = config_;
  other.set_name("other");
  other.mutable_feedback()->set_http_address(
      absl::StrCat("127.0.0.1:", server->http_port()));
  EXPECT_THAT(FeedbackServer::Start(other, {MakePrompt("cats")}),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("feedback.http_address"),
                             HasSubstr("choose another port"))));
  other = config_;
  other.set_name("third");
  other.mutable_feedback()->set_address(
      absl::StrCat("127.0.0.1:", server->grpc_port()));
  EXPECT_THAT(FeedbackServer::Start(other, {MakePrompt("cats")}),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("feedback.address")));
}

TEST_F(FeedbackServerTest, ServicesThatAskReadersForNoTokenStayOnThisMachine) {
  for (const bool login : {false, true}) {
    config_.mutable_feedback()->mutable_access()->set_require_login(login);
    for (const char* const address : {"0.0.0.0:0", "[::]:0", "10.0.0.1:0"}) {
      config_.mutable_feedback()->set_address(address);
      EXPECT_THAT(FeedbackServer::Start(config_, {MakePrompt("cats")}),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           AllOf(HasSubstr("feedback.address"),
                                 HasSubstr("not a loopback address"))));
    }
  }
}

TEST_F(FeedbackServerTest, RestartedServerGoesOnWithTheSameLog) {
  config_.mutable_feedback()->set_max_comparisons(2);
  {
    ASSERT_OK_AND_ASSIGN(const auto server,
                         FeedbackServer::Start(config_, {MakePrompt("cats")}));
    EXPECT_EQ(WorkUntilComplete(HttpTestClient(server->http_port())), 2);
  }
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  EXPECT_EQ(HttpTestClient(server->http_port())
                .Post("/api/task", R"({"worker_id": "ada"})")
                .status,
            410);
}

TEST_F(FeedbackServerTest, IsReadyOnlyWhileAnswersCanBeSaved) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  const auto is_ready = [&] {
    server->UpdateHealth();
    return IsServing(
        MakeChannel(absl::StrCat("127.0.0.1:", server->grpc_port())),
        absl::Seconds(10));
  };
  EXPECT_THAT(is_ready(), IsOkAndHolds(true));
  const std::string log = FeedbackFolder(config_) + "/comparisons.db";
  std::filesystem::rename(log, log + ".away");
  EXPECT_THAT(is_ready(), IsOkAndHolds(false));
  std::filesystem::rename(log + ".away", log);
  EXPECT_THAT(is_ready(), IsOkAndHolds(true));
}

// Makes PM v3 serve in the run.
void ServePm(const v1::RunConfig& config) {
  const std::string folder = RunDirectory(config) + "/registry/pm";
  ASSERT_OK(MakeDirectories(folder));
  const ModelRegistry registry(folder);
  ASSERT_OK(registry.Publish(3, Json(), [](const std::string& version) {
    return WriteFileAtomically(version + "/config.json", "{}");
  }));
  ASSERT_OK(registry.SetAlias("serving", 3, {}));
}

TEST_F(FeedbackServerTest, TasksAreThoseThatThePmsMembersDisagreeAbout) {
  ServePm(config_);
  FakeReward reward;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(&reward);
  const auto reward_server = builder.BuildAndStart();
  config_.mutable_reward_server()->set_address(
      absl::StrCat("127.0.0.1:", port));
  config_.mutable_feedback()->set_by_disagreement(true);
  config_.mutable_feedback()->set_max_comparisons(2);
  ASSERT_OK_AND_ASSIGN(
      const auto server,
      FeedbackServer::Start(config_, {MakePrompt("cats"), MakePrompt("dogs"),
                                      MakePrompt("owls"), MakePrompt("cows")}));
  EXPECT_EQ(WorkUntilComplete(HttpTestClient(server->http_port())), 2);
  const auto stub = v1::Feedback::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server->grpc_port()),
                          grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ReadComparisonsRequest request;
  request.set_first_seq(1);
  request.set_last_seq(2);
  const auto reader = stub->ReadComparisons(&context, request);
  v1::Comparison comparison;
  for (int seq = 1; seq <= 2; ++seq) {
    ASSERT_TRUE(reader->Read(&comparison));
    EXPECT_EQ(comparison.prompt().prompt_id(), "dogs");
  }
}

TEST_F(FeedbackServerTest, TasksSayHowAndUnderWhichPmTheyWereMade) {
  ServePm(config_);
  config_.mutable_feedback()->set_max_comparisons(1);
  config_.mutable_feedback()->set_red_team_share(1);
  config_.mutable_sampling()->set_max_new_tokens(77);
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  EXPECT_EQ(WorkUntilComplete(HttpTestClient(server->http_port())), 1);
  const auto stub = v1::Feedback::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server->grpc_port()),
                          grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::ReadComparisonsRequest request;
  request.set_first_seq(1);
  request.set_last_seq(1);
  const auto reader = stub->ReadComparisons(&context, request);
  v1::Comparison comparison;
  ASSERT_TRUE(reader->Read(&comparison));
  EXPECT_EQ(comparison.pm_version(), 3);
  EXPECT_EQ(comparison.sampling().max_new_tokens(), 77);
  EXPECT_EQ(comparison.task_kind(), v1::RED_TEAM);
}

TEST_F(FeedbackServerTest, StopsPromptlyWhileTheActorIsAway) {
  actor_server_->Shutdown();
  ASSERT_OK_AND_ASSIGN(auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  const Stopwatch watch;
  server.reset();
  EXPECT_LT(watch.seconds(), 5);
}

}  // namespace
}  // namespace rlhf
