#include "core/rpc/protocol.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/strings/str_cat.h"
#include "core/base/version.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/health.h"
#include "gtest/gtest.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

TEST(UserAgentTest, ComesBackWithGrpcsWordsBehindIt) {
  const Build build = {.version = "1.2.3", .protocol = 7, .place = "gpu1:42"};
  const auto parsed = ParseUserAgent(
      UserAgent(build) + " grpc-c++/1.51.1 grpc-c/29.0.0 (linux; chttp2)");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->version, "1.2.3");
  EXPECT_EQ(parsed->protocol, 7);
  EXPECT_EQ(parsed->place, "gpu1:42");
}

TEST(UserAgentTest, OtherProgramsAreNoBuild) {
  for (const char* other :
       {"", "grpc-c++/1.51.1 grpc-c/29.0.0 (linux; chttp2)", "rlhf/1",
        "rlhf/1 protocol/1", "rlhf/1 protocol/x at/y", "rlhf/1 at/y protocol/1",
        "my-rlhf/1 protocol/1 at/y"}) {
    EXPECT_FALSE(ParseUserAgent(other).has_value()) << other;
  }
}

TEST(CheckNeighboursTest, OneProtocolApartIsAccepted) {
  for (const int protocol : {4, 5, 6}) {
    EXPECT_OK(CheckNeighbours({.protocol = 5}, {.protocol = protocol}));
  }
}

TEST(CheckNeighboursTest, FurtherApartNamesBothAndWhoIsOlder) {
  const Build older = {.version = "0.1.0", .protocol = 1, .place = "a:1"};
  const Build newer = {.version = "0.3.0", .protocol = 3, .place = "b:2"};
  const auto both = AllOf(HasSubstr("rlhf 0.1.0 (protocol 1)"),
                          HasSubstr("rlhf 0.3.0 (protocol 3)"),
                          HasSubstr("a:1"), HasSubstr("b:2"));
  EXPECT_THAT(CheckNeighbours(older, newer),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(both, HasSubstr("update the server"))));
  EXPECT_THAT(CheckNeighbours(newer, older),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(both, HasSubstr("update the caller"))));
}

TEST(CheckNeighboursTest, AnAbsurdNumberIsJustFarAway) {
  EXPECT_THAT(CheckNeighbours({.protocol = 1}, {.protocol = -2147483647 - 1}),
              StatusIs(StatusCode::kFailedPrecondition, testing::_));
}

// Counts the calls that come through.
class CountingReward final : public v1::Reward::Service {
 public:
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest*,
                     v1::ScoreResponse*) override {
    ++num_calls;
    return grpc::Status::OK;
  }
  int num_calls = 0;
};

class ProtocolCheckTest : public testing::Test {
 protected:
  ProtocolCheckTest() : server_(*GrpcServer::Start("127.0.0.1:0", {&reward_})) {
    server_->SetServing(true);
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }

  // A channel of a client that says it is `user_agent`.
  std::shared_ptr<grpc::Channel> ChannelOf(const std::string& user_agent) {
    grpc::ChannelArguments arguments;
    arguments.SetUserAgentPrefix(user_agent);
    return grpc::CreateCustomChannel(
        address(), grpc::InsecureChannelCredentials(), arguments);
  }

  static absl::Status Score(const std::shared_ptr<grpc::Channel>& channel) {
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(absl::Seconds(10));
    return FromGrpcStatus(v1::Reward::NewStub(channel)->Score(
        context.get(), v1::ScoreRequest(), &response));
  }

  CountingReward reward_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(ProtocolCheckTest, OurOwnChannelsSayWhatTheyAreAndPass) {
  EXPECT_OK(Score(MakeChannel(address())));
  EXPECT_EQ(reward_.num_calls, 1);
}

TEST_F(ProtocolCheckTest, ADistantBuildIsRefusedBeforeItsCallIsLookedAt) {
  const auto channel = ChannelOf(UserAgent(
      {.version = "9.9.9", .protocol = kProtocol + 2, .place = "gpu1:42"}));
  EXPECT_THAT(Score(channel),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(absl::StrCat("the server at 127.0.0.1:0",
                                                    " is rlhf ", kRlhfVersion)),
                             HasSubstr("its caller gpu1:42 is rlhf 9.9.9"))));
  EXPECT_EQ(reward_.num_calls, 0);
}

TEST_F(ProtocolCheckTest, ANeighbourPasses) {
  EXPECT_OK(Score(ChannelOf(UserAgent(
      {.version = "0.2.0", .protocol = kProtocol + 1, .place = "a:1"}))));
  EXPECT_EQ(reward_.num_calls, 1);
}

TEST_F(ProtocolCheckTest, OtherProgramsAndHealthChecksPass) {
  EXPECT_OK(Score(ChannelOf("grpcurl/1.8.9")));
  ASSERT_OK_AND_ASSIGN(
      const bool serving,
      IsServing(ChannelOf(UserAgent(
                    {.version = "9", .protocol = 99, .place = "a:1"})),
                absl::Seconds(10)));
  EXPECT_TRUE(serving);
}

}  // namespace
}  // namespace rlhf
