// Servers and clients that show certificates to one another.
#include "core/rpc/rpc_identity.h"

#include <grpcpp/create_channel.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/mutex.h"
#include "core/rpc/channel.h"
#include "core/rpc/every_method_fixtures.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/health.h"
#include "core/rpc/permissions.h"
#include "core/rpc/role_uri.h"
#include "core/rpc/rpc_fixtures.h"
#include "core/rpc/tls_fixtures.h"
#include "gtest/gtest.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

// Knows the certificate of its newest caller.
class KnowingReward final : public v1::Reward::Service {
 public:
  grpc::Status Score(grpc::ServerContext* context, const v1::ScoreRequest*,
                     v1::ScoreResponse*) override {
    const auto seen =
        context->auth_context()->FindPropertyValues("x509_pem_cert");
    MutexLock lock(&mutex_);
    caller_ = seen.empty() ? "" : std::string(seen[0].data(), seen[0].size());
    return grpc::Status::OK;
  }

  std::string caller() const {
    MutexLock lock(&mutex_);
    return caller_;
  }

 private:
  mutable Mutex mutex_;
  std::string caller_ ABSL_GUARDED_BY(mutex_);
};

// A reward server of run "r" at every address of this machine.
class RpcIdentityTest : public testing::Test {
 protected:
  RpcIdentityTest() {
    Write("ca.pem", authority_.Pem());
    for (const char* const role : kEveryRole) {
      Write(absl::StrCat(role, ".pem"),
            authority_.Issue({.uri = RoleUri("r", role)}));
    }
  }

  void Write(const std::string& name, const std::string& text) {
    EXPECT_OK(WriteFileAtomically(folder_ / name, text));
  }

  void Serve(const std::string& as = "reward-server",
             const RotationPace& pace = {}) {
    ASSERT_OK_AND_ASSIGN(
        const RpcIdentity self,
        RpcIdentity::Load(ConfigWithTls("r", folder_.path()), as, pace));
    ASSERT_OK_AND_ASSIGN(
        server_, GrpcServer::Start("0.0.0.0:0", {&reward_}, nullptr, self));
    server_->SetServing(true);
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }

  RpcIdentity Client(const std::string& role, const std::string& run = "r",
                     const RotationPace& pace = {}) const {
    auto client =
        RpcIdentity::Load(ConfigWithTls(run, folder_.path()), role, pace);
    EXPECT_OK(client.status());
    return client.ok() ? *std::move(client) : RpcIdentity();
  }

  std::shared_ptr<grpc::Channel> ChannelOf(const RpcIdentity& client) const {
    return MakeChannel(address(), client, "reward-server");
  }

  // One call that does not wait for a server that may never come.
  static absl::Status Score(const std::shared_ptr<grpc::Channel>& channel) {
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(absl::Seconds(10));
    return FromGrpcStatus(
        v1::Reward::NewStub(channel)->Score(context.get(), {}, &response));
  }

  // A client with a certificate that Load itself would have refused: it was
  // good when the process started.
  absl::Status ScoreWith(const std::string& certificate) {
    Write("late.pem", certificate);
    grpc::experimental::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(
        std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
            folder_ / "late.pem", folder_ / "late.pem", folder_ / "ca.pem",
            10));
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    options.set_certificate_verifier(
        std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
    options.set_check_call_host(false);
    return Score(grpc::CreateChannel(
        address(), grpc::experimental::TlsCredentials(options)));
  }

  // Whether `client` takes a second server that shows `certificate`.
  bool Trusts(const RpcIdentity& client, const std::string& certificate) {
    const TempDir folder;
    EXPECT_OK(WriteFileAtomically(folder / "reward-server.pem", certificate));
    const auto authorities = ReadFile(folder_ / "ca.pem");
    EXPECT_OK(WriteFileAtomically(folder / "ca.pem", *authorities));
    const auto self =
        RpcIdentity::Load(ConfigWithTls("r", folder.path()), "reward-server");
    EXPECT_OK(self.status());
    if (!self.ok()) return false;
    KnowingReward reward;
    const auto server =
        GrpcServer::Start("127.0.0.1:0", {&reward}, nullptr, *self);
    EXPECT_OK(server.status());
    return server.ok() &&
           Score(MakeChannel(absl::StrCat("127.0.0.1:", (*server)->port()),
                             client, "reward-server"))
               .ok();
  }

  const TempDir folder_;
  const TestAuthority authority_;
  KnowingReward reward_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(RpcIdentityTest, WithoutFilesItIsNobodyAndStaysOnThisMachine) {
  ASSERT_OK_AND_ASSIGN(const RpcIdentity nobody,
                       RpcIdentity::Load(v1::RunConfig(), "learner"));
  EXPECT_FALSE(nobody.has_tls());
  EXPECT_THAT(GrpcServer::Start("0.0.0.0:0", {&reward_}, nullptr, nobody),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("loopback")));
}

TEST_F(RpcIdentityTest, BadFilesAreRefusedAtTheStart) {
  EXPECT_THAT(
      RpcIdentity::Load(ConfigWithTls("other", folder_.path()), "learner"),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("tls.certificate")));
}

// Whoever may call gets as far as that there is no such service here.
TEST_F(RpcIdentityTest, EveryRoleMayCallWhatItsRowsSayAndNothingElse) {
  Serve();
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> methods, EveryMethod());
  int num_refused = 0;
  for (const char* const role : kEveryRole) {
    const auto channel = ChannelOf(Client(role));
    for (const std::string& method : methods) {
      const absl::Status status =
          FromGrpcStatus(CallByPath(channel, method).status);
      if (CheckPermission(role, method).ok()) {
        const bool is_served = method == "/rlhf.v1.Reward/Score";
        EXPECT_EQ(status.code(),
                  is_served ? StatusCode::kOk : StatusCode::kUnimplemented)
            << role << " " << method << " " << status;
        continue;
      }
      ++num_refused;
      EXPECT_THAT(status, StatusIs(StatusCode::kPermissionDenied,
                                   AllOf(HasSubstr(absl::StrCat("role ", role)),
                                         HasSubstr(method))));
    }
  }
  EXPECT_GT(num_refused, 60);
}

TEST_F(RpcIdentityTest, EveryRoleMayAskTheHealthService) {
  Serve();
  for (const char* const role : kEveryRole) {
    EXPECT_THAT(IsServing(ChannelOf(Client(role)), absl::Seconds(10)),
                IsOkAndHolds(true))
        << role;
  }
}

TEST_F(RpcIdentityTest, WhoShowsNoGoodCertificateIsNotHeard) {
  Serve();
  EXPECT_OK(ScoreWith(authority_.Issue({.uri = "rlhf://r/actor"})));
  const std::string good = reward_.caller();
  EXPECT_THAT(good, HasSubstr("BEGIN CERTIFICATE"));

  EXPECT_THAT(ScoreWith(authority_.Issue(
                  {.uri = "rlhf://r/actor", .end = absl::Now()})),
              StatusIs(StatusCode::kUnavailable, testing::_));
  EXPECT_THAT(ScoreWith(TestAuthority().Issue({.uri = "rlhf://r/actor"})),
              StatusIs(StatusCode::kUnavailable, testing::_));
  EXPECT_THAT(ScoreWith(authority_.Issue(
                  {.uri = "rlhf://r/actor", .usage = "serverAuth"})),
              StatusIs(StatusCode::kUnavailable, testing::_));
  EXPECT_THAT(Score(MakeChannel(address())),
              StatusIs(StatusCode::kUnavailable, testing::_));
  EXPECT_EQ(reward_.caller(), good);
}

TEST_F(RpcIdentityTest, ACertificateOfNoRoleOfTheRunIsToldSo) {
  Serve();
  EXPECT_THAT(ScoreWith(authority_.Issue({.uri = "rlhf://other/actor"})),
              StatusIs(StatusCode::kUnauthenticated,
                       AllOf(HasSubstr("rlhf://other/actor"),
                             HasSubstr("rlhf://r/ROLE"))));
  EXPECT_THAT(
      ScoreWith(authority_.Issue({})),
      StatusIs(StatusCode::kUnauthenticated, HasSubstr("names 0 roles")));
  EXPECT_THAT(ScoreWith(authority_.Issue({.uri = "rlhf://r/operator"})),
              StatusIs(StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("role operator"),
                             HasSubstr("/rlhf.v1.Reward/Score"))));
}

TEST_F(RpcIdentityTest, AClientTakesOnlyTheServerThatItWanted) {
  Serve("actor");
  EXPECT_THAT(Score(ChannelOf(Client("learner"))),
              StatusIs(StatusCode::kUnavailable,
                       AllOf(HasSubstr("certificate is for rlhf://r/actor"),
                             HasSubstr("wanted rlhf://r/reward-server"))));
  EXPECT_EQ(reward_.caller(), "");
}

TEST_F(RpcIdentityTest, AClientTakesNoServerOfAnotherAuthority) {
  Serve();
  const TestAuthority other;
  Write("ca.pem", other.Pem());
  Write("actor.pem", other.Issue({.uri = "rlhf://r/actor"}));
  EXPECT_THAT(Score(ChannelOf(Client("actor"))),
              StatusIs(StatusCode::kUnavailable, testing::_));
}

TEST_F(RpcIdentityTest, AServerWithoutCertificatesIsNotSpokenTo) {
  ASSERT_OK_AND_ASSIGN(server_, GrpcServer::Start("127.0.0.1:0", {&reward_}));
  EXPECT_THAT(Score(ChannelOf(Client("actor"))),
              StatusIs(StatusCode::kUnavailable, testing::_));
}

// What was replaced is seen within a second or two.
constexpr RotationPace kFast = {.look_every = absl::Seconds(1),
                                .connection_age = absl::Milliseconds(300)};

bool Eventually(const std::function<bool()>& happens) {
  for (int i = 0; i < 200; ++i) {
    if (happens()) return true;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return false;
}

// Four threads that call without a pause.
class Load {
 public:
  explicit Load(std::function<absl::Status()> call) {
    for (int i = 0; i < 4; ++i) {
      threads_.emplace_back([this, call](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          const absl::Status status = call();
          MutexLock lock(&mutex_);
          ++num_calls_;
          failure_.Update(status);
        }
      });
    }
  }

  // The first error of all calls, and how many there were.
  std::pair<absl::Status, int> Stop() {
    threads_.clear();
    MutexLock lock(&mutex_);
    return {failure_, num_calls_};
  }

 private:
  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  int num_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::jthread> threads_;
};

// Both ends change authority and certificates in the three steps of
// docs/security.md.
TEST_F(RpcIdentityTest, RotationUnderLoadDropsNoCall) {
  Serve("reward-server", kFast);
  const RpcIdentity client = Client("actor", "r", kFast);
  Load load([&, channel = ChannelOf(client)] { return Score(channel); });

  const TestAuthority next;
  const std::string actor = next.Issue({.uri = "rlhf://r/actor"});
  const std::string server = next.Issue({.uri = "rlhf://r/reward-server"});
  Write("ca.pem", authority_.Pem() + next.Pem());
  EXPECT_TRUE(Eventually([&] { return ScoreWith(actor).ok(); }));
  EXPECT_TRUE(Eventually([&] { return Trusts(client, server); }));

  Write("actor.pem", actor);
  Write("reward-server.pem", server);
  EXPECT_TRUE(Eventually([&] {
    const std::string seen = reward_.caller();
    return seen == actor.substr(0, seen.size());
  }));

  Write("ca.pem", next.Pem());
  EXPECT_TRUE(Eventually([&] {
    return Score(ChannelOf(Client("actor"))).ok() &&
           !ScoreWith(authority_.Issue({.uri = "rlhf://r/actor"})).ok();
  }));

  const auto [failure, num_calls] = load.Stop();
  EXPECT_OK(failure);
  EXPECT_GT(num_calls, 100);
}

// The new authority shows that the files were looked at.
TEST_F(RpcIdentityTest, AFileThatHoldsNoCertificateIsPassedOver) {
  Serve("reward-server", kFast);
  const auto channel = ChannelOf(Client("actor"));
  ASSERT_OK(Score(channel));
  const TestAuthority next;
  const std::string late = next.Issue({.uri = "rlhf://r/actor"});
  ::unlink((folder_ / "reward-server.pem").c_str());
  Write("ca.pem", authority_.Pem() + next.Pem());
  EXPECT_TRUE(Eventually([&] { return ScoreWith(late).ok(); }));
  EXPECT_OK(Score(channel));
}

TEST_F(RpcIdentityTest, AServerWhosePairDoesNotFitHearsNobodyUntilItDoes) {
  Serve("reward-server", kFast);
  const std::string good = authority_.Issue({.uri = "rlhf://r/reward-server"});
  const std::string actor = authority_.Issue({.uri = "rlhf://r/actor"});
  const size_t key = good.find("-----BEGIN PRIVATE");
  Write("reward-server.pem",
        good.substr(0, key) + actor.substr(actor.find("-----BEGIN PRIVATE")));
  EXPECT_TRUE(Eventually([&] { return !ScoreWith(actor).ok(); }));
  EXPECT_THAT(Score(MakeChannel(address())),
              StatusIs(StatusCode::kUnavailable, testing::_));
  Write("reward-server.pem", good);
  EXPECT_TRUE(Eventually([&] { return ScoreWith(actor).ok(); }));
}

}  // namespace
}  // namespace rlhf
