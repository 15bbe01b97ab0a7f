#include "cli/wait.h"

#include <functional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/rpc/grpc_server.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Port 1 is never ours to listen at.
constexpr char kNobody[] = "127.0.0.1:1";

// Text that does something when it is shown.
class OnFlush : public std::stringbuf {
 public:
  explicit OnFlush(std::function<void()> then) : then_(std::move(then)) {}

 protected:
  int sync() override {
    then_();
    return 0;
  }

 private:
  const std::function<void()> then_;
};

// Two real servers whose health is asked for.
class WaitTest : public testing::Test {
 protected:
  WaitTest()
      : learner_(*GrpcServer::Start("127.0.0.1:0", {&control_})),
        actor_(*GrpcServer::Start("127.0.0.1:0", {&control_})),
        both_({{"learner", AddressOf(*learner_)},
               {"actor", AddressOf(*actor_)}}) {}

  static std::string AddressOf(const GrpcServer& server) {
    return absl::StrCat("127.0.0.1:", server.port());
  }

  // gRPC starts no server that has nothing but its health.
  v1::Control::Service control_;
  const std::unique_ptr<GrpcServer> learner_;
  const std::unique_ptr<GrpcServer> actor_;
  const std::vector<Awaited> both_;
  std::ostringstream progress_;
};

TEST_F(WaitTest, ReturnsAtOnceWhenAllServe) {
  learner_->SetServing(true);
  actor_->SetServing(true);
  const Stopwatch watch;
  EXPECT_OK(WaitUntilReady(both_, absl::Minutes(1), progress_));
  EXPECT_LT(watch.seconds(), 30);
  EXPECT_THAT(progress_.str(), IsEmpty());
}

TEST_F(WaitTest, WaitsForTheLastAndSaysOnceWhoThatIs) {
  learner_->SetServing(true);
  OnFlush told([this] { actor_->SetServing(true); });
  std::ostream progress(&told);
  EXPECT_OK(WaitUntilReady(both_, absl::Minutes(1), progress));
  EXPECT_EQ(told.str(), absl::StrCat("waiting for actor ", both_[1].address,
                                     ": answers, but is not ready to serve\n"));
}

TEST_F(WaitTest, TheDeadlineNamesWhoIsNotReadyAndWhy) {
  learner_->SetServing(true);
  std::vector<Awaited> servers = both_;
  servers.push_back({"", kNobody});
  EXPECT_THAT(WaitUntilReady(servers, absl::Milliseconds(200), progress_),
              StatusIs(StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("not ready after 200ms"),
                             HasSubstr("\n  actor 127.0.0.1"),
                             HasSubstr("answers, but is not ready to serve"),
                             HasSubstr("\n  127.0.0.1:1: cannot connect: "),
                             Not(HasSubstr("learner")))));
}

TEST_F(WaitTest, NoTimeMeansOneLook) {
  EXPECT_THAT(WaitUntilReady(both_, absl::ZeroDuration(), progress_),
              StatusIs(StatusCode::kDeadlineExceeded, testing::_));
  learner_->SetServing(true);
  actor_->SetServing(true);
  EXPECT_OK(WaitUntilReady(both_, absl::ZeroDuration(), progress_));
}

TEST(AwaitedOfTest, TakesEveryServerOfARun) {
  v1::RunConfig config;
  config.mutable_reward_server()->set_address("127.0.0.1:4,127.0.0.1:5");
  ASSERT_OK_AND_ASSIGN(const auto all, AwaitedOf(config, {}));
  ASSERT_EQ(all.size(), 6);
  EXPECT_EQ(all[2].role, "reward-server");
  EXPECT_EQ(all[2].address, "127.0.0.1:4");
  EXPECT_EQ(all[3].address, "127.0.0.1:5");
}

TEST(AwaitedOfTest, OrThoseOfTheRolesThatAreNamed) {
  ASSERT_OK_AND_ASSIGN(const auto some,
                       AwaitedOf(v1::RunConfig(), {"feedback", "learner"}));
  ASSERT_EQ(some.size(), 2);
  EXPECT_EQ(some[0].role, "learner");
  EXPECT_EQ(some[1].role, "feedback");
}

TEST(AwaitedOfTest, RefusesARoleThatServesNothing) {
  EXPECT_THAT(AwaitedOf(v1::RunConfig(), {"crowd"}),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("--role crowd"),
                             HasSubstr("learner, actor, reward-server"))));
}

}  // namespace
}  // namespace rlhf
