#include "reward_server/reward_service.h"

#include <ATen/TensorOperators.h>

#include <atomic>
#include <cmath>
#include <latch>
#include <mutex>
#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "core/nn/sequence_scores.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
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
             int64_t pm_version, absl::Duration timeout = absl::Seconds(10)) {
    v1::ScoreRequest request;
    request.set_pm_version(pm_version);
    for (const auto& dialogue : dialogues) *request.add_dialogues() = dialogue;
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(timeout);
    const absl::Status status =
        FromGrpcStatus(stub_->Score(context.get(), request, &response));
    if (!status.ok()) return status;
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
  RequestBatcher batcher_{{.max_queue = 16}};
  ShadowRecord shadow_;
  RewardService service_{&slots_, &batcher_, &shadow_, &metrics_};
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

// Callers that never stop while the PM is swapped: every one is answered, and
// every score is that of the PM its reply names.
TEST_F(RewardServiceTest, SwapsUnderLoadDropNothingAndMixNoVersions) {
  constexpr int kCallers = 4, kCallsEach = 30, kCallsPerSwap = 15;
  // Version v has the weights of seed v % 2.
  std::vector<std::shared_ptr<const LoadedPm>> versions;
  std::vector<float> expected[2];
  for (int64_t v = 0; v < kCallers * kCallsEach / kCallsPerSwap; ++v) {
    versions.push_back(TinyPm(v + 1, static_cast<uint64_t>((v + 1) % 2)));
  }
  expected[1] = ScoresBy(*versions[0]);
  expected[0] = ScoresBy(*versions[1]);
  ASSERT_GT(std::abs(expected[0][0] - expected[1][0]), 0.01);
  ASSERT_GT(std::abs(expected[0][1] - expected[1][1]), 0.01);

  slots_.Swap(versions[0]);
  std::atomic<int> num_replies = 0;
  std::mutex mutex;
  std::set<int64_t> seen;
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < kCallers; ++c) {
      callers.emplace_back([&] {
        for (int i = 0; i < kCallsEach; ++i) {
          const Reply reply = Call(Dialogues(), 0);
          // Whoever makes the reply that a swap is due at swaps.
          const int count = ++num_replies;
          if (count % kCallsPerSwap == 0 &&
              count / kCallsPerSwap < static_cast<int>(versions.size())) {
            slots_.Swap(versions[count / kCallsPerSwap]);
          }
          EXPECT_OK(reply);
          if (!reply.ok()) continue;
          const int64_t version = reply->pm().version();
          EXPECT_EQ(reply->pm().digest(), absl::StrCat("digest", version));
          ASSERT_EQ(reply->scores_size(), 2);
          for (int d = 0; d < 2; ++d) {
            EXPECT_NEAR(reply->scores(d), expected[version % 2][d], 1e-4);
          }
          const std::lock_guard lock(mutex);
          seen.insert(version);
        }
      });
    }
  }
  EXPECT_EQ(num_replies, kCallers * kCallsEach);
  EXPECT_EQ(metrics_.requests.Of(absl::StatusCode::kOk).Value(),
            kCallers * kCallsEach);
  EXPECT_EQ(slots_.Status().num_swaps(), 8);
  EXPECT_GE(seen.size(), 4u);
}

}  // namespace
}  // namespace rlhf
