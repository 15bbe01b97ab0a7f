// RewardClient with several reward servers.
#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/reward_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::Each;
using testing::HasSubstr;

// A reward server that scores every dialogue with its number.
class Replica final : public v1::Reward::Service,
                      public v1::RewardAdmin::Service {
 public:
  explicit Replica(float number) : number_(number) {}

  absl::Status Start() {
    auto server = GrpcServer::Start("127.0.0.1:0",
                                    {static_cast<v1::Reward::Service*>(this),
                                     static_cast<RewardAdmin*>(this)});
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }
  void Kill() { server_->Shutdown(absl::ZeroDuration()); }
  // Answers the calls that it holds.
  void Release() {
    if (!released_.try_wait()) released_.count_down();
  }

  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    ++calls;
    calls.notify_all();
    if (holds) released_.wait();
    if (is_full) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "full"};
    const int64_t version =
        request->pm_version() == 0 ? serving.load() : request->pm_version();
    if (version != serving && version != previous) {
      return {grpc::StatusCode::NOT_FOUND, "no such version"};
    }
    for (int i = 0; i < request->dialogues_size(); ++i) {
      response->add_scores(number_);
    }
    response->mutable_pm()->set_version(version);
    response->mutable_pm()->set_digest(absl::StrCat("digest", version));
    return grpc::Status::OK;
  }

  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRewardStatusRequest*,
                         v1::RewardStatus* status) override {
    status->mutable_serving()->set_version(serving);
    status->mutable_previous()->set_version(previous);
    return grpc::Status::OK;
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }

  std::atomic<int64_t> serving = 1, previous = 0;
  std::atomic<int> calls = 0;
  // Whether calls stay without an answer, as from a process that hangs.
  std::atomic<bool> holds = false;
  std::atomic<bool> is_full = false;

 private:
  using RewardAdmin = v1::RewardAdmin::Service;
  const float number_;
  std::latch released_{1};
  std::unique_ptr<GrpcServer> server_;
};

class RewardReplicasClientTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(first_.Start());
    ASSERT_OK(second_.Start());
    client_ = std::make_unique<RewardClient>(
        absl::StrCat(first_.address(), ",", second_.address()));
  }
  void TearDown() override {
    first_.Release();
    second_.Release();
  }

  // The number of the replica that scored, for each of two dialogues.
  absl::StatusOr<std::vector<float>> Score(
      int64_t version = 0, absl::Duration timeout = absl::Seconds(10)) {
    v1::ScoredDialogue dialogue;
    dialogue.set_response("x");
    const auto result = client_->Score({dialogue, dialogue}, version, timeout);
    if (!result.ok()) return result.status();
    return result->scores;
  }
  void ExpectScoreOf(float number, int64_t version = 0) {
    ASSERT_OK_AND_ASSIGN(const std::vector<float> scores, Score(version));
    EXPECT_THAT(scores, Each(number));
  }

  Replica first_{1}, second_{2};
  std::unique_ptr<RewardClient> client_;
};

TEST_F(RewardReplicasClientTest, ReplicasTakeTurns) {
  for (int i = 0; i < 3; ++i) {
    ExpectScoreOf(1);
    ExpectScoreOf(2);
  }
}

TEST_F(RewardReplicasClientTest, CallsGoToTheOtherWhileOneIsDead) {
  first_.Kill();
  const Stopwatch watch;
  for (int i = 0; i < 10; ++i) ExpectScoreOf(2);
  EXPECT_LT(watch.seconds(), 5) << "of ten calls with 10 s each";
  ASSERT_OK_AND_ASSIGN(const v1::RewardStatus status,
                       client_->GetStatus(absl::Seconds(10)));
  EXPECT_EQ(status.serving().version(), 1);
}

TEST_F(RewardReplicasClientTest, OneThatDiesWithCallsInFlightLosesNone) {
  first_.holds = true;
  absl::StatusOr<std::vector<float>> scores = absl::UnknownError("not yet");
  std::jthread caller([&] { scores = Score(); });
  first_.calls.wait(0);
  // Its thread waits until it is released; its calls are cut off before that.
  std::jthread killer([&] { first_.Kill(); });
  caller.join();
  first_.Release();
  ASSERT_OK(scores);
  EXPECT_THAT(*scores, Each(2));
}

TEST_F(RewardReplicasClientTest, OneThatHangsCostsHalfTheTimeOnce) {
  first_.holds = true;
  const Stopwatch watch;
  ASSERT_OK_AND_ASSIGN(const std::vector<float> scores,
                       Score(0, absl::Seconds(1)));
  EXPECT_THAT(scores, Each(2));
  EXPECT_GE(watch.seconds(), 0.45);
  // It is asked last now, which is never.
  for (int i = 0; i < 4; ++i) ExpectScoreOf(2);
  EXPECT_EQ(first_.calls, 1);
}

TEST_F(RewardReplicasClientTest, AFullOneIsPassedByWithoutAPause) {
  first_.is_full = true;
  const Stopwatch watch;
  for (int i = 0; i < 4; ++i) ExpectScoreOf(2);
  EXPECT_LT(watch.seconds(), 5);
  second_.is_full = true;
  EXPECT_THAT(Score(0, absl::Milliseconds(50)),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("full")));
}

TEST_F(RewardReplicasClientTest, APinnedVersionIsScoredByWhoHoldsIt) {
  second_.serving = 2;
  second_.previous = 1;
  for (int i = 0; i < 4; ++i) ExpectScoreOf(2, /*version=*/2);
  // Both hold it, so both score.
  ExpectScoreOf(1, /*version=*/1);
  ExpectScoreOf(2, /*version=*/1);
  EXPECT_THAT(Score(/*version=*/3),
              StatusIs(StatusCode::kNotFound, HasSubstr("no such version")));
}

TEST_F(RewardReplicasClientTest, AVersionThatNobodyAliveHoldsIsSaidAtOnce) {
  second_.serving = 2;
  second_.Kill();
  const Stopwatch watch;
  EXPECT_THAT(Score(/*version=*/2),
              StatusIs(StatusCode::kNotFound, testing::_));
  EXPECT_LT(watch.seconds(), 5);
}

// What the learner pins is what all replicas can score.
TEST_F(RewardReplicasClientTest, TheStatusTellsWhatReplicasHoldTogether) {
  second_.serving = 2;
  second_.previous = 1;
  ASSERT_OK_AND_ASSIGN(v1::RewardStatus status,
                       client_->GetStatus(absl::Seconds(10)));
  EXPECT_EQ(status.serving().version(), 1);
  first_.previous = 1;
  first_.serving = 2;
  ASSERT_OK_AND_ASSIGN(status, client_->GetStatus(absl::Seconds(10)));
  EXPECT_EQ(status.serving().version(), 2);
}

TEST_F(RewardReplicasClientTest, IfNobodyLivesTheErrorSaysSo) {
  first_.Kill();
  second_.Kill();
  const auto result = Score(0, absl::Milliseconds(300));
  EXPECT_TRUE(absl::IsUnavailable(result.status()) ||
              absl::IsDeadlineExceeded(result.status()))
      << result.status();
  EXPECT_FALSE(client_->GetStatus(absl::Milliseconds(200)).ok());
}

TEST(RewardClientDeathTest, DiesOnAddressesThatNobodyChecked) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(RewardClient("127.0.0.1:1,10.0.0.1:1"), "loopback");
}

}  // namespace
}  // namespace rlhf
