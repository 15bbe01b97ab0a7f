// Which tasks a feedback service makes of a run's prompts.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "core/telemetry/http_test_client.h"
#include "feedback/feedback_server.h"
#include "feedback/feedback_server_fixtures.h"
#include "feedback/training_prompts.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using FeedbackTasksTest = FeedbackServerTest;

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

TEST_F(FeedbackTasksTest, DialogueGoesOnWithTheChosenAnswerForTheSameWorker) {
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

TEST_F(FeedbackTasksTest, PromptsGoOnWhereTheyWereBeforeARestart) {
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

TEST_F(FeedbackTasksTest, ResponsesOfEarlierVersionsComeBackAfterARestart) {
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

TEST_F(FeedbackTasksTest, DialogueThatTheActorRefusesEnds) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  actor_.refused_messages = 3;
  const HttpTestClient client(server->http_port());
  AnswerAndGoOn(client);
  EXPECT_EQ(AskForTask(client)["messages"].size(), 1u)
      << "another task instead";
}

TEST_F(FeedbackTasksTest, DialogueThatTheActorFailsOnKeepsNobodyElseWaiting) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config_, {MakePrompt("cats")}));
  actor_.failing_messages = 3;
  const HttpTestClient client(server->http_port());
  AnswerAndGoOn(client);
  EXPECT_EQ(WorkUntilComplete(client, "ben"), 4)
      << "more than were ready before";
}

TEST_F(FeedbackTasksTest, HeldOutPromptsNeverBecomeTasks) {
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

TEST_F(FeedbackTasksTest, TasksAreThoseThatThePmsMembersDisagreeAbout) {
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

TEST_F(FeedbackTasksTest, TasksSayHowAndUnderWhichPmTheyWereMade) {
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

}  // namespace
}  // namespace rlhf
