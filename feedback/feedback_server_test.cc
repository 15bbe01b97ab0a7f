#include "feedback/feedback_server.h"

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/rpc/channel.h"
#include "core/rpc/health.h"
#include "core/telemetry/http_test_client.h"
#include "feedback/feedback_server_fixtures.h"
#include "grpcpp/create_channel.h"
#include "gtest/gtest.h"
#include "rlhf/v1/feedback_import.grpc.pb.h"
#include "rlhf/v1/store.grpc.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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
