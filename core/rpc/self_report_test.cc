#include "core/rpc/self_report.h"

#include "absl/strings/str_cat.h"
#include "core/base/version.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/health.h"
#include "gtest/gtest.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

class EmptyReward final : public v1::Reward::Service {
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest*,
                     v1::ScoreResponse*) override {
    return grpc::Status::OK;
  }
};

class SelfReportTest : public testing::Test {
 protected:
  SelfReportTest() : server_(*GrpcServer::Start("127.0.0.1:0", {&reward_})) {}

  std::shared_ptr<grpc::Channel> Channel() const {
    return MakeChannel(absl::StrCat("127.0.0.1:", server_->port()));
  }

  EmptyReward reward_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(SelfReportTest, AHealthAnswerSaysBuildAndClock) {
  ASSERT_OK_AND_ASSIGN(const HealthAnswer answer,
                       AskHealth(Channel(), absl::Seconds(10)));
  EXPECT_FALSE(answer.serving);
  ASSERT_TRUE(answer.build.has_value());
  EXPECT_EQ(answer.build->version, kRlhfVersion);
  EXPECT_EQ(answer.build->protocol, kProtocol);
  EXPECT_EQ(answer.build->place, "127.0.0.1:0");
  // Both ends have one clock.
  ASSERT_TRUE(answer.clock_ahead.has_value());
  EXPECT_LE(absl::AbsDuration(*answer.clock_ahead),
            answer.round_trip / 2 + absl::Milliseconds(1));
}

TEST_F(SelfReportTest, OtherCallsDoNotCarryIt) {
  const auto context = ContextWithDeadline(absl::Seconds(10));
  v1::ScoreResponse response;
  ASSERT_TRUE(v1::Reward::NewStub(Channel())
                  ->Score(context.get(), v1::ScoreRequest(), &response)
                  .ok());
  EXPECT_EQ(context->GetServerInitialMetadata().count(kBuildKey), 0);
  EXPECT_EQ(context->GetServerInitialMetadata().count(kClockKey), 0);
}

}  // namespace
}  // namespace rlhf
