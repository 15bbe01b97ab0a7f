// Reward servers under load: swaps, replicas, a client that takes all.
#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/reward_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward_server/reward_fixtures.h"
#include "reward_server/reward_service.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

std::vector<v1::ScoredDialogue> Dialogues() {
  return {Dialogue("Why?", "Because."), Dialogue("One", "two three")};
}

// A reward server in this process.
class Server {
 public:
  explicit Server(const ScoreQueue::Options& queue = {}, size_t cache_bytes = 0)
      : batcher_({.queue = queue}), cache_(cache_bytes) {
    auto server = GrpcServer::Start("127.0.0.1:0", {&service_, &admin_});
    RLHF_CHECK(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~Server() { Kill(); }

  // Calls in flight end without an answer.
  void Kill() {
    batcher_.Stop();
    server_->Shutdown(absl::ZeroDuration());
  }

  PmSlots& slots() { return slots_; }
  RewardMetrics& metrics() { return metrics_; }
  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }

 private:
  prometheus::Registry registry_;
  RewardMetrics metrics_{registry_};
  PmSlots slots_;
  RequestBatcher batcher_;
  ScoreCache cache_;
  ShadowRecord shadow_;
  RewardService service_{&slots_, &batcher_, &cache_, &shadow_, &metrics_};
  RewardAdminService admin_{&slots_, &shadow_};
  std::unique_ptr<GrpcServer> server_;
};

// PMs whose scores cannot be taken for each other's, and those scores.
class PmSet {
 public:
  explicit PmSet(int64_t count) {
    for (int64_t v = 1; v <= count; ++v) {
      pms_.push_back(TinyPm(v, static_cast<uint64_t>(v)));
      std::vector<std::vector<int32_t>> sequences;
      for (const auto& dialogue : Dialogues()) {
        sequences.push_back(*pms_.back()->Encode(dialogue));
      }
      scores_.push_back(
          ScoreDialogues(*pms_.back(), sequences, 4096)->combined);
    }
  }

  // From 1.
  const std::shared_ptr<const LoadedPm>& pm(int64_t version) const {
    return pms_[static_cast<size_t>(version - 1)];
  }

  // Whether every score is that of the version which the result names.
  void Check(const ScoreResult& result) const {
    const int64_t version = result.pm.version();
    ASSERT_GE(version, 1);
    ASSERT_LE(version, static_cast<int64_t>(pms_.size()));
    EXPECT_EQ(result.pm.digest(), absl::StrCat("digest", version));
    ASSERT_EQ(result.scores.size(), 2u);
    for (size_t d = 0; d < 2; ++d) {
      EXPECT_NEAR(result.scores[d],
                  scores_[static_cast<size_t>(version - 1)][d], 1e-4);
    }
  }

  void CheckThatTheyDiffer() const {
    for (size_t a = 0; a < scores_.size(); ++a) {
      for (size_t b = 0; b < a; ++b) {
        ASSERT_GT(std::abs(scores_[a][0] - scores_[b][0]), 0.001);
      }
    }
  }

 private:
  std::vector<std::shared_ptr<const LoadedPm>> pms_;
  std::vector<std::vector<float>> scores_;
};

// Callers that never pause until `stop`. Every call must succeed.
class Callers {
 public:
  Callers(const std::string& addresses, const PmSet& pms, int count) {
    for (int c = 0; c < count; ++c) {
      threads_.emplace_back([this, addresses, &pms] {
        RewardClient client(addresses);
        while (!stop_) {
          const auto result =
              client.Score(Dialogues(), /*pm_version=*/0, absl::Seconds(20));
          EXPECT_OK(result);
          if (result.ok()) pms.Check(*result);
          ++num_replies_;
        }
      });
    }
  }
  ~Callers() { stop_ = true; }

  // Blocks until `count` more replies came; false if they took too long.
  bool WaitForReplies(int count) const {
    const int wanted = num_replies_ + count;
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (num_replies_ < wanted && absl::Now() < deadline) {
      std::this_thread::yield();
    }
    return num_replies_ >= wanted;
  }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> num_replies_ = 0;
  std::vector<std::jthread> threads_;  // joined first
};

TEST(RewardLoadTest, AThousandSwapsDropNothingAndMixNoVersions) {
  constexpr int kSwaps = 1000;
  const PmSet pms(3);
  pms.CheckThatTheyDiffer();
  Server server;
  server.slots().Swap(pms.pm(1));
  {
    const Callers callers(server.address(), pms, 4);
    for (int i = 1; i < kSwaps; ++i) {
      server.slots().Swap(pms.pm(1 + i % 3));
      // Each tenth swap finds calls that began under another PM, the others
      // follow at once.
      if (i % 10 == 0) {
        ASSERT_TRUE(callers.WaitForReplies(1));
      }
    }
    ASSERT_TRUE(callers.WaitForReplies(4));
  }
  EXPECT_EQ(server.slots().Status().num_swaps(), kSwaps);
  EXPECT_GE(server.metrics().requests.Of(absl::StatusCode::kOk).Value(), 100);
}

TEST(RewardLoadTest, SwapsWithACacheAnswerWithTheScoresOfThePmThatIsNamed) {
  const PmSet pms(3);
  Server server({}, /*cache_bytes=*/4096);
  server.slots().Swap(pms.pm(1));
  {
    const Callers callers(server.address(), pms, 3);
    for (int i = 1; i <= 100; ++i) {
      server.slots().Swap(pms.pm(1 + i % 3));
      ASSERT_TRUE(callers.WaitForReplies(1));
    }
  }
  EXPECT_GT(server.metrics().cache_hits.Value(), 0);
}

TEST(RewardLoadTest, AReplicaThatDiesUnderLoadCostsNoCall) {
  const PmSet pms(1);
  Server first, second;
  for (Server* server : {&first, &second}) server->slots().Swap(pms.pm(1));
  const Callers callers(absl::StrCat(first.address(), ",", second.address()),
                        pms, 4);
  ASSERT_TRUE(callers.WaitForReplies(20));
  EXPECT_GT(first.metrics().scored.Value(), 0);
  EXPECT_GT(second.metrics().scored.Value(), 0);
  first.Kill();
  EXPECT_TRUE(callers.WaitForReplies(20));
}

// Two replicas follow the registry in their own time. What one pins by the
// status is scored by it at either, before, during and after the swap.
TEST(RewardLoadTest, ABatchKeepsItsPmWhileTwoReplicasSwap) {
  const PmSet pms(2);
  Server first, second;
  for (Server* server : {&first, &second}) server->slots().Swap(pms.pm(1));
  RewardClient client(absl::StrCat(first.address(), ",", second.address()));
  const auto pinned = [&] {
    const auto status = client.GetStatus(absl::Seconds(10));
    return status.ok() ? status->serving().version() : -1;
  };
  const auto expect_scored_by = [&](int64_t version) {
    // Each replica has its turn, twice.
    for (int i = 0; i < 4; ++i) {
      ASSERT_OK_AND_ASSIGN(
          const ScoreResult result,
          client.Score(Dialogues(), version, absl::Seconds(10)));
      EXPECT_EQ(result.pm.version(), version);
      pms.Check(result);
    }
  };
  EXPECT_EQ(pinned(), 1);
  first.slots().Swap(pms.pm(2));
  EXPECT_EQ(pinned(), 1) << "the second does not hold version 2 yet";
  expect_scored_by(1);
  // Whoever pinned it by the first one's word alone is served all the same.
  expect_scored_by(2);
  second.slots().Swap(pms.pm(2));
  EXPECT_EQ(pinned(), 2);
  expect_scored_by(1);
  expect_scored_by(2);
}

TEST(RewardLoadTest, AFullQueueMakesClientsWaitAndLosesNothing) {
  const PmSet pms(1);
  // Room for two of the callers' requests.
  Server server({.max_waiting = 4, .max_batch_dialogues = 2});
  server.slots().Swap(pms.pm(1));
  const Callers callers(server.address(), pms, 6);
  EXPECT_TRUE(callers.WaitForReplies(60));
}

}  // namespace
}  // namespace rlhf
