#include "core/rpc/grpc_server.h"

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/rpc_fixtures.h"
#include "gtest/gtest.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Answers with one score per dialogue, or only when its caller goes away.
class EchoReward final : public v1::Reward::Service {
 public:
  grpc::Status Score(grpc::ServerContext* context,
                     const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    has_call = true;
    has_call.notify_all();
    while (request->pm_version() < 0 && !context->IsCancelled()) {
      std::this_thread::yield();
    }
    for (int i = 0; i < request->dialogues_size(); ++i) response->add_scores(i);
    return grpc::Status::OK;
  }

  std::atomic<bool> has_call = false;
};

class GrpcServerTest : public testing::Test {
 protected:
  void Start(const std::string& address) {
    server_.reset();
    ASSERT_OK_AND_ASSIGN(server_, GrpcServer::Start(address, {&service_}));
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }

  absl::Status Score(v1::Reward::Stub& stub, const v1::ScoreRequest& request,
                     absl::Duration timeout = absl::Seconds(10)) {
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(timeout);
    context->set_wait_for_ready(true);
    return FromGrpcStatus(stub.Score(context.get(), request, &response));
  }

  // The number of grpc.health.v1's ServingStatus: SERVING 1, NOT_SERVING 2.
  // Debian ships no generated code for it: an empty request is field-less, and
  // the reply is the one enum field 1.
  int Health() {
    const std::string bytes =
        CallByPath(MakeChannel(address()), "/grpc.health.v1.Health/Check")
            .bytes;
    return bytes.size() == 2 && bytes[0] == 0x08 ? bytes[1] : -1;
  }

  EchoReward service_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcServerTest, ServesAtAFreePort) {
  Start("127.0.0.1:0");
  EXPECT_GT(server_->port(), 0);
  const auto stub = v1::Reward::NewStub(MakeChannel(address()));
  EXPECT_OK(Score(*stub, {}));
}

TEST_F(GrpcServerTest, HealthFollowsSetServing) {
  Start("127.0.0.1:0");
  EXPECT_EQ(Health(), 2);
  server_->SetServing(true);
  EXPECT_EQ(Health(), 1);
  server_->SetServing(false);
  EXPECT_EQ(Health(), 2);
}

TEST_F(GrpcServerTest, RefusesAPortInUse) {
  Start("127.0.0.1:0");
  EchoReward other;
  testing::internal::CaptureStderr();
  EXPECT_THAT(
      GrpcServer::Start(address(), {&other}),
      StatusIs(StatusCode::kAlreadyExists,
               AllOf(HasSubstr(address()), HasSubstr("port is in use"),
                     HasSubstr("ss -ltnp"), HasSubstr("another port"))));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "")
      << "gRPC says nothing beside it";
}

// Ports below 1024 are root's, unless the machine says otherwise.
TEST_F(GrpcServerTest, APortThatIsNotAllowedIsNotCalledTaken) {
  int first_free = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free;
  if (first_free < 2) GTEST_SKIP() << "everybody may listen at port 1";
  const uid_t user = ::geteuid();
  ASSERT_TRUE(user != 0 || ::seteuid(65534) == 0);
  const absl::Status status =
      GrpcServer::Start("127.0.0.1:1", {&service_}).status();
  ASSERT_EQ(::seteuid(user), 0);
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable,
                               AllOf(HasSubstr("127.0.0.1:1: "),
                                     HasSubstr("Permission denied"),
                                     Not(HasSubstr("in use")))));
}

TEST_F(GrpcServerTest, RefusesAddressesBeyondThisMachine) {
  EXPECT_THAT(GrpcServer::Start("0.0.0.0:0", {&service_}),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("0.0.0.0:0"), HasSubstr("TLS"))));
  EXPECT_THAT(GrpcServer::Start("nonsense", {&service_}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("HOST:PORT")));
}

TEST_F(GrpcServerTest, TakesMessagesOverGrpcsDefaultOf4Mib) {
  Start("127.0.0.1:0");
  const auto stub = v1::Reward::NewStub(MakeChannel(address()));
  v1::ScoreRequest request;
  request.add_dialogues()->set_response(std::string(5 << 20, 'x'));
  EXPECT_OK(Score(*stub, request));
}

TEST_F(GrpcServerTest, RefusesMessagesOverTheLimit) {
  Start("127.0.0.1:0");
  const auto stub = v1::Reward::NewStub(MakeChannel(address()));
  v1::ScoreRequest request;
  request.add_dialogues()->set_response(std::string(kMaxMessageBytes, 'x'));
  EXPECT_THAT(Score(*stub, request),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("larger")));
}

TEST_F(GrpcServerTest, AChannelFindsARestartedServerAgain) {
  Start("127.0.0.1:0");
  const std::string first = address();
  const auto stub = v1::Reward::NewStub(MakeChannel(first));
  ASSERT_OK(Score(*stub, {}));
  Start(first);
  EXPECT_OK(Score(*stub, {}));
}

TEST_F(GrpcServerTest, ShutdownCutsCallsThatOutlastTheGrace) {
  Start("127.0.0.1:0");
  const auto stub = v1::Reward::NewStub(MakeChannel(address()));
  v1::ScoreRequest endless;
  endless.set_pm_version(-1);
  absl::Status status;
  std::jthread caller([&] { status = Score(*stub, endless); });
  service_.has_call.wait(false);
  const Stopwatch watch;
  server_->Shutdown(absl::Milliseconds(100));
  caller.join();
  EXPECT_LT(watch.seconds(), 5);
  EXPECT_FALSE(status.ok());
  server_->Shutdown(absl::Milliseconds(100));  // harmless
}

TEST_F(GrpcServerTest, ACallEndsAtItsDeadline) {
  Start("127.0.0.1:0");
  const auto stub = v1::Reward::NewStub(MakeChannel(address()));
  v1::ScoreRequest endless;
  endless.set_pm_version(-1);
  EXPECT_THAT(Score(*stub, endless, absl::Milliseconds(100)),
              StatusIs(StatusCode::kDeadlineExceeded, HasSubstr("Deadline")));
}

TEST(MakeChannelDeathTest, DiesOnAnAddressThatNobodyChecked) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(MakeChannel("10.0.0.1:7101"), "not a loopback address");
}

}  // namespace
}  // namespace rlhf
