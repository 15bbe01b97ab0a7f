#include "core/rpc/reward_client.h"

#include <atomic>
#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/retry_after.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Scores a dialogue with the length of its response, as PM version 3, unless
// `spoil` changes the reply or returns an error.
class LengthReward final : public v1::Reward::Service {
 public:
  grpc::Status Score(grpc::ServerContext* context,
                     const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    ++calls;
    if (!retry_after_ms.empty()) {
      context->AddTrailingMetadata(kRetryAfterKey, retry_after_ms);
    }
    for (const v1::ScoredDialogue& dialogue : request->dialogues()) {
      response->add_scores(static_cast<float>(dialogue.response().size()));
    }
    response->mutable_pm()->set_version(3);
    response->mutable_pm()->set_digest("abc");
    return spoil ? spoil(*response) : grpc::Status::OK;
  }

  std::function<grpc::Status(v1::ScoreResponse&)> spoil;
  std::string retry_after_ms;
  std::atomic<int> calls = 0;
};

class Admin final : public v1::RewardAdmin::Service {
  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRewardStatusRequest*,
                         v1::RewardStatus* response) override {
    response->mutable_serving()->set_version(3);
    return grpc::Status::OK;
  }
};

class RewardClientTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(server_,
                         GrpcServer::Start("127.0.0.1:0", {&reward_, &admin_}));
    client_ = std::make_unique<RewardClient>(
        absl::StrCat("127.0.0.1:", server_->port()));
  }

  // Scores responses of one and of three letters.
  absl::StatusOr<ScoreResult> Score(
      int64_t pm_version, absl::Duration timeout = absl::Seconds(10)) {
    v1::ScoredDialogue a, b;
    a.set_response("x");
    b.set_response("xyz");
    return client_->Score({a, b}, pm_version, timeout);
  }

  void ExpectInternal(const std::string& message) {
    EXPECT_THAT(Score(0), StatusIs(StatusCode::kInternal, HasSubstr(message)));
    EXPECT_EQ(reward_.calls, 1);
  }

  LengthReward reward_;
  Admin admin_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<RewardClient> client_;
};

TEST_F(RewardClientTest, GivesScoresInOrderWithTheVersionThatMadeThem) {
  ASSERT_OK_AND_ASSIGN(const ScoreResult result, Score(0));
  EXPECT_THAT(result.scores, ElementsAre(1, 3));
  EXPECT_EQ(result.pm.version(), 3);
  EXPECT_EQ(result.pm.digest(), "abc");
  EXPECT_OK(Score(3));
}

TEST_F(RewardClientTest, AWrongNumberOfScoresIsAnError) {
  reward_.spoil = [](v1::ScoreResponse& response) {
    response.mutable_scores()->RemoveLast();
    return grpc::Status::OK;
  };
  ExpectInternal("sent 1 scores for 2 dialogues");
}

TEST_F(RewardClientTest, AScoreThatIsNoNumberIsAnError) {
  reward_.spoil = [](v1::ScoreResponse& response) {
    response.set_scores(1, std::numeric_limits<float>::quiet_NaN());
    return grpc::Status::OK;
  };
  ExpectInternal("not finite");
}

TEST_F(RewardClientTest, AnInfiniteScoreIsAnError) {
  reward_.spoil = [](v1::ScoreResponse& response) {
    response.set_scores(0, -std::numeric_limits<float>::infinity());
    return grpc::Status::OK;
  };
  ExpectInternal("not finite");
}

TEST_F(RewardClientTest, AnotherVersionThanAskedForIsAnError) {
  EXPECT_THAT(Score(2),
              StatusIs(StatusCode::kInternal,
                       HasSubstr("PM version 3; asked for version 2")));
}

TEST_F(RewardClientTest, AScoreWithoutItsOriginIsAnError) {
  reward_.spoil = [](v1::ScoreResponse& response) {
    response.clear_pm();
    return grpc::Status::OK;
  };
  ExpectInternal("did not say which PM scored");
}

TEST_F(RewardClientTest, TriesAgainWhileTheServerIsBusyOrHasNoPm) {
  reward_.spoil = [&](v1::ScoreResponse&) {
    if (reward_.calls == 1) return grpc::Status(grpc::UNAVAILABLE, "no PM");
    if (reward_.calls == 2) {
      return grpc::Status(grpc::RESOURCE_EXHAUSTED, "queue full");
    }
    return grpc::Status::OK;
  };
  ASSERT_OK_AND_ASSIGN(const ScoreResult result, Score(0));
  EXPECT_THAT(result.scores, ElementsAre(1, 3));
  EXPECT_EQ(reward_.calls, 3);
}

TEST_F(RewardClientTest, ComesAgainWhenTheServerAsksForIt) {
  // Its own first pause would be at most 0.12 s.
  reward_.retry_after_ms = "500";
  reward_.spoil = [&](v1::ScoreResponse&) {
    return reward_.calls == 1
               ? grpc::Status(grpc::RESOURCE_EXHAUSTED, "queue full")
               : grpc::Status::OK;
  };
  const Stopwatch watch;
  EXPECT_OK(Score(0));
  EXPECT_EQ(reward_.calls, 2);
  EXPECT_GE(watch.seconds(), 0.4);
  EXPECT_LT(watch.seconds(), 5);
}

TEST_F(RewardClientTest, DoesNotWaitBeyondItsOwnTimeout) {
  reward_.retry_after_ms = "3600000";
  reward_.spoil = [](v1::ScoreResponse&) {
    return grpc::Status(grpc::RESOURCE_EXHAUSTED, "queue full");
  };
  const Stopwatch watch;
  EXPECT_THAT(Score(0, absl::Seconds(2)),
              StatusIs(StatusCode::kResourceExhausted, "queue full"));
  EXPECT_LT(watch.seconds(), 2);
  EXPECT_EQ(reward_.calls, 1);
}

TEST_F(RewardClientTest, DoesNotRepeatWhatCannotSucceed) {
  reward_.spoil = [](v1::ScoreResponse&) {
    return grpc::Status(grpc::NOT_FOUND, "version 2 is not loaded");
  };
  EXPECT_THAT(Score(2), StatusIs(StatusCode::kNotFound,
                                 HasSubstr("version 2 is not loaded")));
  EXPECT_EQ(reward_.calls, 1);
}

TEST_F(RewardClientTest, GivesUpInTimeWhenNobodyListens) {
  server_->Shutdown(absl::ZeroDuration());
  const Stopwatch watch;
  const auto result = Score(0, absl::Milliseconds(400));
  EXPECT_FALSE(result.ok());
  EXPECT_TRUE(absl::IsUnavailable(result.status()) ||
              absl::IsDeadlineExceeded(result.status()))
      << result.status();
  EXPECT_LT(watch.seconds(), 0.8);
  EXPECT_FALSE(client_->GetStatus(absl::Milliseconds(100)).ok());
}

TEST_F(RewardClientTest, AsksForTheStatus) {
  ASSERT_OK_AND_ASSIGN(const v1::RewardStatus status,
                       client_->GetStatus(absl::Seconds(10)));
  EXPECT_EQ(status.serving().version(), 3);
}

}  // namespace
}  // namespace rlhf
