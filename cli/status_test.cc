#include "cli/status.h"

#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "core/rpc/grpc_server.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FakeControl final : public v1::Control::Service {
  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetLearnerStatusRequest*,
                         v1::LearnerStatus* status) override {
    status->set_phase("generation");
    status->set_update(3);
    status->set_num_updates(24);
    return grpc::Status::OK;
  }
};

// A configuration in which only the learner and an actor's health answer.
class StatusTest : public testing::Test {
 protected:
  StatusTest() : server_(*GrpcServer::Start("127.0.0.1:0", {&control_})) {
    server_->SetServing(true);
    const std::string address = absl::StrCat("127.0.0.1:", server_->port());
    config_.mutable_learner()->set_address(address);
    config_.mutable_actor()->set_address(address);
    // Port 1 is never ours to listen at.
    config_.mutable_reward_server()->set_address("127.0.0.1:1");
    config_.mutable_preference()->set_address("127.0.0.1:1");
    config_.mutable_feedback()->set_address("127.0.0.1:1");
  }

  FakeControl control_;
  std::unique_ptr<GrpcServer> server_;
  v1::RunConfig config_;
};

TEST_F(StatusTest, TableHasALinePerRoleThatAnswersOrNot) {
  testing::internal::CaptureStdout();
  ASSERT_OK(PrintStatus(config_, /*json=*/false));
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_THAT(text, AllOf(HasSubstr("generation, update 3/24"),
                          HasSubstr("generates"), HasSubstr("no answer: ")));
}

TEST_F(StatusTest, ARunOfWhichNoRoleAnswersIsAnError) {
  config_.set_name("idle");
  config_.mutable_learner()->set_address("127.0.0.1:1");
  config_.mutable_actor()->set_address("127.0.0.1:1");
  testing::internal::CaptureStdout();
  const absl::Status status = PrintStatus(config_, /*json=*/false);
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              HasSubstr("no answer: cannot connect: Connection refused"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               "no role answers; is run \"idle\" started?"));
}

TEST_F(StatusTest, JsonHasStatusOrErrorOfEveryRole) {
  testing::internal::CaptureStdout();
  ASSERT_OK(PrintStatus(config_, /*json=*/true));
  ASSERT_OK_AND_ASSIGN(const Json json,
                       ParseJson(testing::internal::GetCapturedStdout()));
  EXPECT_EQ(json["learner"]["status"]["update"], "3");
  EXPECT_EQ(json["actor"]["status"]["serving"], true);
  for (const char* role : {"reward-server", "refresher", "feedback"}) {
    EXPECT_TRUE(json[role]["error"].is_string()) << role;
  }
}

}  // namespace
}  // namespace rlhf
