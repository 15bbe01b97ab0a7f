#include "core/rpc/call_metrics.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/picky_reward.h"
#include "core/rpc/rpc_fixtures.h"
#include "core/telemetry/metrics_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::Not;

class CallMetricsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        server_, GrpcServer::Start("127.0.0.1:0", {&service_}, &registry_));
    channel_ = MakeChannel(absl::StrCat("127.0.0.1:", server_->port()));
  }

  void Score(int64_t pm_version) {
    v1::ScoreRequest request;
    request.set_pm_version(pm_version);
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(absl::Seconds(10));
    context->set_wait_for_ready(true);
    v1::Reward::NewStub(channel_)->Score(context.get(), request, &response);
  }

  grpc::StatusCode Call(const std::string& method) {
    return CallByPath(channel_, method).status.error_code();
  }

  std::string Metrics() const { return MetricsResponse(registry_).body; }

  prometheus::Registry registry_;
  PickyReward service_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(CallMetricsTest, CountsCallsByMethodAndCode) {
  Score(1);
  Score(1);
  Score(0);
  const std::string method =
      "grpc_method=\"Score\",grpc_service=\"rlhf.v1.Reward\",grpc_type="
      "\"unary\"} ";
  const std::string metrics = Metrics();
  EXPECT_THAT(metrics, HasSubstr(absl::StrCat("grpc_server_handled_total{grpc_"
                                              "code=\"OK\",",
                                              method, "2\n")));
  EXPECT_THAT(metrics,
              HasSubstr(absl::StrCat("grpc_server_handled_total{grpc_code="
                                     "\"FailedPrecondition\",",
                                     method, "1\n")));
  EXPECT_THAT(metrics,
              HasSubstr(absl::StrCat("grpc_server_handling_seconds_count{",
                                     method, "3\n")));
}

// Else whoever can connect could make a series of any name.
TEST_F(CallMetricsTest, UnknownMethodsMakeNoSeriesOfTheirNames) {
  EXPECT_EQ(Call("/made.Up/ByClient"), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(Call("/rlhf.v1.Reward/ByClient"), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(Metrics(), Not(HasSubstr("ByClient")));
  EXPECT_THAT(Metrics(), HasSubstr("grpc_method=\"unknown\",grpc_service=\"\","
                                   "grpc_type=\"unary\"} 2\n"));
}

TEST_F(CallMetricsTest, HealthChecksAreNotCounted) {
  EXPECT_EQ(Call("/grpc.health.v1.Health/Check"), grpc::StatusCode::OK);
  EXPECT_THAT(Metrics(), Not(HasSubstr("grpc_server_handled_total{")));
}

}  // namespace
}  // namespace rlhf
