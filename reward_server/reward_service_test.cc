#include "reward_server/reward_service.h"

#include <ATen/TensorOperators.h>

#include <atomic>
#include <cmath>
#include <latch>
#include <thread>

#include "absl/time/clock.h"
#include "core/nn/sequence_scores.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/retry_after.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward_server/reward_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::_;
using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

using Reply = absl::StatusOr<v1::ScoreResponse>;

std::vector<v1::ScoredDialogue> Dialogues() {
  return {Dialogue("Why?", "Because."), Dialogue("One", "two three")};
}

// The dialogues' scores by `pm`, computed beside the service.
std::vector<float> ScoresBy(const LoadedPm& pm) {
  std::vector<std::vector<int32_t>> sequences;
  for (const v1::ScoredDialogue& dialogue : Dialogues()) {
    sequences.push_back(*pm.Encode(dialogue));
  }
  return *ScoreSequences(pm.model(), sequences, 4096);
}

class RewardServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        server_, GrpcServer::Start("127.0.0.1:0", {&service_, &admin_}));
    stub_ = v1::Reward::NewStub(
        MakeChannel(absl::StrCat("127.0.0.1:", server_->port())));
  }

  Reply Call(const std::vector<v1::ScoredDialogue>& dialogues,
             int64_t pm_version, absl::Duration timeout = absl::Seconds(10),
             const std::string& tokenizer_digest = "") {
    v1::ScoreRequest request;
    request.set_pm_version(pm_version);
    request.set_tokenizer_digest(tokenizer_digest);
    for (const auto& dialogue : dialogues) *request.add_dialogues() = dialogue;
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(timeout);
    const grpc::Status status = stub_->Score(context.get(), request, &response);
    if (!status.ok()) return FromGrpcStatus(status, *context);
    return response;
  }

  // Keeps the batcher's thread until `release` is counted down.
  void HoldBatcher(std::latch& release) {
    std::latch held(1);
    ASSERT_OK(batcher_.Add(
        {.pm = slots_.serving(), .sequences = {{5}}, .done = [&](const auto&) {
           held.count_down();
           release.wait();
         }}));
    held.wait();
  }

  prometheus::Registry registry_;
  RewardMetrics metrics_{registry_};
  PmSlots slots_;
  std::atomic<int> num_batches_ = 0;
  RequestBatcher batcher_{
      {.queue = {.max_waiting = 16},
       .on_batch = [this](size_t, int64_t) { ++num_batches_; }}};
  ScoreCache cache_{1 << 20};
  ShadowRecord shadow_;
  RewardService service_{&slots_, &batcher_, &cache_, &shadow_, &metrics_};
  RewardAdminService admin_{&slots_, &shadow_};
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Reward::Stub> stub_;
};

TEST_F(RewardServiceTest, AReplyHoldsScoresInOrderAndThePmThatMadeThem) {
  const auto pm = TinyPm(7, 1);
  slots_.Swap(pm);
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse reply, Call(Dialogues(), 0));
  EXPECT_EQ(reply.pm().version(), 7);
  EXPECT_EQ(reply.pm().digest(), "digest7");
  const std::vector<float> expected = ScoresBy(*pm);
  ASSERT_THAT(reply.scores(), SizeIs(2));
  EXPECT_NEAR(reply.scores(0), expected[0], 1e-5);
  EXPECT_NEAR(reply.scores(1), expected[1], 1e-5);
  EXPECT_NE(reply.scores(0), reply.scores(1));
  EXPECT_EQ(metrics_.requests.Of(absl::StatusCode::kOk).Value(), 1);
  EXPECT_EQ(metrics_.scored.Value(), 2);
}

TEST_F(RewardServiceTest, AVersionThatIsAskedForScoresWhileItIsHeld) {
  const auto first = TinyPm(1, 1);
  slots_.Swap(first);
  slots_.Swap(TinyPm(2, 2));
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse reply, Call(Dialogues(), 1));
  EXPECT_EQ(reply.pm().version(), 1);
  EXPECT_NEAR(reply.scores(0), ScoresBy(*first)[0], 1e-5);

  EXPECT_THAT(Call(Dialogues(), 9),
              StatusIs(StatusCode::kNotFound,
                       HasSubstr("PM version 9 is neither serving (2) nor "
                                 "previous (1) nor the canary (0)")));
  EXPECT_EQ(metrics_.requests.Of(StatusCode::kNotFound).Value(), 1);
}

TEST_F(RewardServiceTest, WithoutAPmACallIsToldToComeBack) {
  EXPECT_THAT(Call(Dialogues(), 0),
              StatusIs(StatusCode::kUnavailable,
                       HasSubstr("no preference model is serving yet")));
}

TEST_F(RewardServiceTest, ARefusedDialogueIsNamed) {
  slots_.Swap(TinyPm(1, 1));
  EXPECT_THAT(Call({}, 0), StatusIs(StatusCode::kInvalidArgument,
                                    HasSubstr("no dialogue to score")));
  EXPECT_THAT(Call({Dialogue("q", "a"), LongDialogue()}, 0),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("dialogues[1]: a dialogue of"),
                             HasSubstr("takes 1024"))));
}

TEST_F(RewardServiceTest, ACallerThatLeavesOrComesToAFullQueueHarmsNobody) {
  slots_.Swap(TinyPm(1, 1));
  std::latch release(1);
  HoldBatcher(release);
  // Two dialogues wait when their caller's deadline passes.
  EXPECT_THAT(Call(Dialogues(), 0, absl::Milliseconds(50)),
              StatusIs(StatusCode::kDeadlineExceeded, testing::_));
  EXPECT_THAT(Call(std::vector<v1::ScoredDialogue>(15, Dialogue("q", "a")), 0),
              StatusIs(StatusCode::kResourceExhausted,
                       HasSubstr("2 dialogues wait already, the limit is 16")));
  release.count_down();
  EXPECT_OK(Call(Dialogues(), 0));
}

TEST_F(RewardServiceTest, TheStatusCallTellsWhatServes) {
  slots_.Swap(TinyPm(3, 1));
  const auto admin = v1::RewardAdmin::NewStub(
      MakeChannel(absl::StrCat("127.0.0.1:", server_->port())));
  v1::RewardStatus status;
  const auto context = ContextWithDeadline(absl::Seconds(10));
  ASSERT_OK(FromGrpcStatus(admin->GetStatus(context.get(), {}, &status)));
  EXPECT_EQ(status.serving().version(), 3);
  EXPECT_EQ(status.num_swaps(), 1);
}

TEST_F(RewardServiceTest, TheShadowScoresWhatIsScoredAndNobodyHearsIt) {
  const auto serving = TinyPm(1, 1), shadow = TinyPm(2, 2);
  slots_.Swap(serving);
  slots_.SetShadow(shadow);
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse reply, Call(Dialogues(), 0));
  EXPECT_EQ(reply.pm().version(), 1);
  EXPECT_THAT(Call(Dialogues(), 2), StatusIs(StatusCode::kNotFound, _));

  v1::ShadowStatus status;
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (status.num_dialogues() == 0 && absl::Now() < deadline) {
    status.mutable_pm()->set_version(2);
    shadow_.Describe(status);
  }
  EXPECT_EQ(status.num_dialogues(), 2);
  const std::vector<float> expected = ScoresBy(*shadow);
  EXPECT_NEAR(status.mean(), (expected[0] + expected[1]) / 2, 1e-5);
  EXPECT_EQ(metrics_.scored.Value(), 2) << "counted as served";
}

TEST_F(RewardServiceTest, TheCanaryScoresWhoeverAsksForItByItsVersion) {
  slots_.Swap(TinyPm(1, 1));
  const auto canary = TinyPm(2, 2);
  slots_.SetCanary(canary);
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse asked, Call(Dialogues(), 2));
  EXPECT_EQ(asked.pm().version(), 2);
  EXPECT_NEAR(asked.scores(0), ScoresBy(*canary)[0], 1e-5);
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse any, Call(Dialogues(), 0));
  EXPECT_EQ(any.pm().version(), 1);
}

TEST_F(RewardServiceTest, ACanaryThatCannotScoreWhatTheServingPmReadsIsTold) {
  slots_.Swap(TinyPm(1, 1));
  slots_.SetCanary(ShortTinyPm(2, 2, /*max_tokens=*/16));
  const v1::ScoredDialogue longer =
      Dialogue("Why?", "Because it is so, and it has always been so, my dear.");
  // Too long for both, or wrong in itself: nothing against the canary.
  EXPECT_FALSE(Call({LongDialogue()}, 2).ok());
  EXPECT_FALSE(Call({}, 2).ok());
  EXPECT_OK(Call({longer}, 1));
  EXPECT_EQ(slots_.Status().canary_error(), "");

  EXPECT_THAT(Call({longer}, 2), StatusIs(StatusCode::kInvalidArgument, _));
  EXPECT_THAT(slots_.Status().canary_error(), HasSubstr("takes 16"));
  // The next one has its own record.
  slots_.SetCanary(TinyPm(3, 2));
  EXPECT_EQ(slots_.Status().canary_error(), "");
}

TEST_F(RewardServiceTest, ACanaryWhoseScoresAreNotFiniteIsTold) {
  slots_.Swap(TinyPm(1, 1));
  // A copy, and no map of the file.
  const auto canary = TinyPm(2, 2, at::kBFloat16);
  canary->model().parameters().back().tensor.fill_(NAN);
  slots_.SetCanary(canary);
  EXPECT_THAT(Call(Dialogues(), 2), StatusIs(StatusCode::kInternal, _));
  EXPECT_THAT(slots_.Status().canary_error(), HasSubstr("not finite"));
}

TEST_F(RewardServiceTest, APmOfSeveralMembersTellsWhatEachOfThemGave) {
  const auto a = TinyPm(1, 1), b = TinyPm(1, 2);
  slots_.Swap(TinyPmOfTwo(1, 1, 2));
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse reply, Call(Dialogues(), 0));
  ASSERT_EQ(reply.members_size(), 2);
  EXPECT_EQ(reply.members(0).member(), "helpful");
  EXPECT_EQ(reply.members(1).member(), "harmless");
  for (int d = 0; d < 2; ++d) {
    EXPECT_NEAR(reply.members(0).scores(d), ScoresBy(*a)[d], 1e-5);
    EXPECT_NEAR(reply.members(1).scores(d), ScoresBy(*b)[d], 1e-5);
    EXPECT_NEAR(reply.scores(d), ScoresBy(*a)[d] + 3 * ScoresBy(*b)[d], 1e-4);
  }
}

TEST_F(RewardServiceTest, WhatWasScoredBeforeIsAnsweredWithTheSameBits) {
  slots_.Swap(TinyPmOfTwo(1, 1, 2));
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse first, Call(Dialogues(), 0));
  EXPECT_EQ(metrics_.cache_hits.Value(), 0);
  EXPECT_EQ(metrics_.cache_misses.Value(), 2);
  const int num_batches = num_batches_;

  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse again, Call(Dialogues(), 1));
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(num_batches_, num_batches) << "scored again";
  EXPECT_EQ(metrics_.cache_hits.Value(), 2);
  EXPECT_EQ(metrics_.scored.Value(), 4);
  EXPECT_EQ(metrics_.cache_bytes.Value(),
            static_cast<double>(cache_.num_bytes()));
}

TEST_F(RewardServiceTest, OnlyWhatIsNewIsScored) {
  const auto pm = TinyPm(1, 1);
  slots_.Swap(pm);
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse one, Call({Dialogues()[1]}, 0));
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse both, Call(Dialogues(), 0));
  EXPECT_EQ(both.scores(1), one.scores(0));
  EXPECT_NEAR(both.scores(0), ScoresBy(*pm)[0], 1e-5);
  EXPECT_EQ(metrics_.cache_hits.Value(), 1);
  EXPECT_EQ(metrics_.cache_misses.Value(), 2);
}

TEST_F(RewardServiceTest, AnotherPmDoesNotAnswerWithTheScoresOfTheFirst) {
  const auto first = TinyPm(1, 1), second = TinyPm(2, 2);
  for (const auto& pm : {first, second, first}) {
    slots_.Swap(pm);
    ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse reply, Call(Dialogues(), 0));
    EXPECT_EQ(reply.pm().version(), pm->version.version());
    EXPECT_NEAR(reply.scores(0), ScoresBy(*pm)[0], 1e-5);
  }
  EXPECT_EQ(metrics_.cache_hits.Value(), 2) << "the first PM once more";
}

TEST_F(RewardServiceTest, TokensOfThePmsTokenizerAreScoredAsTheirText) {
  const auto pm = TinyPm(1, 1);
  slots_.Swap(pm);
  v1::ScoredDialogue tokens;
  ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> ids,
                       pm->Encode(Dialogues()[0]));
  tokens.mutable_tokens()->Add(ids.begin(), ids.end());
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse reply,
                       Call({tokens, Dialogues()[1]}, 0, absl::Seconds(10),
                            slots_.Status().tokenizer_digest()));
  EXPECT_NEAR(reply.scores(0), ScoresBy(*pm)[0], 1e-5);
  ASSERT_OK_AND_ASSIGN(const v1::ScoreResponse text, Call(Dialogues(), 0));
  EXPECT_EQ(text.scores(0), reply.scores(0)) << "one dialogue in the cache";
}

TEST_F(RewardServiceTest, TokensThatMeanOtherWordsAreRefused) {
  slots_.Swap(TinyPm(1, 1));
  slots_.SetCanary(TinyPm(2, 2));
  const std::string digest = slots_.Status().tokenizer_digest();
  EXPECT_EQ(digest.size(), 64u);
  v1::ScoredDialogue tokens;
  tokens.add_tokens(5);
  for (const int64_t version : {0, 2}) {
    EXPECT_THAT(
        Call({tokens}, version, absl::Seconds(10), "of the policy"),
        StatusIs(StatusCode::kFailedPrecondition,
                 AllOf(HasSubstr("tokens of tokenizer \"of the policy\""),
                       HasSubstr(digest), HasSubstr("send text"))));
  }
  EXPECT_EQ(slots_.Status().canary_error(), "") << "the caller's mistake";
  tokens.add_tokens(512);
  EXPECT_THAT(Call({tokens}, 0, absl::Seconds(10), digest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("dialogues[0]: token id 512 is outside")));
  tokens.set_response("and text");
  EXPECT_THAT(Call({tokens}, 0, absl::Seconds(10), digest),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("tokens beside a prompt or a response")));
}

TEST_F(RewardServiceTest, ARefusedCallerIsToldWhenToComeAgain) {
  slots_.Swap(TinyPm(1, 1));
  std::latch release(1);
  HoldBatcher(release);
  std::jthread waiting([this] {
    EXPECT_OK(Call(std::vector<v1::ScoredDialogue>(16, Dialogue("q", "a")), 0));
  });
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (batcher_.num_waiting() < 16 && absl::Now() < deadline) {
    std::this_thread::yield();
  }
  const Reply refused = Call(Dialogues(), 0);
  release.count_down();
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted, _));
  EXPECT_EQ(RetryAfter(refused.status()), absl::Milliseconds(200));
  EXPECT_EQ(metrics_.requests.Of(StatusCode::kResourceExhausted).Value(), 1);
}

TEST_F(RewardServiceTest, ARequestWhoseDeadlinePassedIsNotScored) {
  slots_.Swap(TinyPm(1, 1));
  std::latch release(1);
  HoldBatcher(release);
  EXPECT_THAT(Call(Dialogues(), 0, absl::Milliseconds(20)),
              StatusIs(StatusCode::kDeadlineExceeded, _));
  // For the server the time began when the call came.
  const absl::Time over = absl::Now() + absl::Milliseconds(200);
  while (absl::Now() < over) std::this_thread::yield();
  const int num_batches = num_batches_;
  release.count_down();
  // One thread answers in order: after this, the first one is settled.
  EXPECT_OK(Call({Dialogue("q", "a")}, 0));
  EXPECT_EQ(num_batches_, num_batches + 1);
  EXPECT_EQ(metrics_.scored.Value(), 1);
}

}  // namespace
}  // namespace rlhf
