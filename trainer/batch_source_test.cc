#include "trainer/batch_source.h"

#include <atomic>
#include <future>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/mutex.h"
#include "core/rpc/grpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

v1::ModelVersion Version(int64_t version) {
  v1::ModelVersion result;
  result.set_version(version);
  result.set_digest(absl::StrCat("digest ", version));
  return result;
}

// A reward server whose PM is replaced whenever a test says so. Version v
// scores a response of n letters with v * n.
class FakeRewards final : public v1::Reward::Service,
                          public v1::RewardAdmin::Service {
 public:
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    MutexLock lock(&mutex_);
    ++num_score_calls_;
    if (num_swaps_before_scoring_ > 0) {
      --num_swaps_before_scoring_;
      serving_ += 2;
    }
    if (request->pm_version() < serving_ - 1 ||
        (request->pm_version() > serving_ &&
         request->pm_version() != canary_)) {
      return {grpc::StatusCode::NOT_FOUND, "neither serving nor previous"};
    }
    if (!canary_error_.empty() && request->pm_version() == canary_) {
      return {grpc::StatusCode::INTERNAL, canary_error_};
    }
    for (const v1::ScoredDialogue& dialogue : request->dialogues()) {
      response->add_scores(
          static_cast<float>(request->pm_version() *
                             static_cast<int64_t>(dialogue.response().size())));
    }
    *response->mutable_pm() = Version(request->pm_version());
    return grpc::Status::OK;
  }

  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRewardStatusRequest*,
                         v1::RewardStatus* response) override {
    MutexLock lock(&mutex_);
    *response->mutable_serving() = Version(serving_);
    *response->mutable_previous() = Version(serving_ - 1);
    if (canary_ > 0) *response->mutable_canary() = Version(canary_);
    response->set_canary_error(canary_error_);
    return grpc::Status::OK;
  }

  void Serve(int64_t version) {
    MutexLock lock(&mutex_);
    serving_ = version;
  }
  void Try(int64_t version) {
    MutexLock lock(&mutex_);
    canary_ = version;
  }
  // From now on the canary scores nothing, and the server knows.
  void BreakCanary(const std::string& error) {
    MutexLock lock(&mutex_);
    canary_error_ = error;
  }
  int num_score_calls() {
    MutexLock lock(&mutex_);
    return num_score_calls_;
  }
  // The next `count` calls of Score each find that two swaps have passed.
  void SwapTwiceBeforeScoring(int count) {
    MutexLock lock(&mutex_);
    num_swaps_before_scoring_ = count;
  }

 private:
  Mutex mutex_;
  int64_t serving_ ABSL_GUARDED_BY(mutex_) = 1;
  int64_t canary_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string canary_error_ ABSL_GUARDED_BY(mutex_);
  int num_swaps_before_scoring_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_score_calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

class BatchSourceTest : public testing::Test {
 protected:
  explicit BatchSourceTest(int64_t max_staleness = 0)
      : max_staleness_(max_staleness),
        metrics_(registry_),
        schedule_(Prompts(), 1) {
    auto server = GrpcServer::Start(
        "127.0.0.1:0", {static_cast<v1::Reward::Service*>(&fake_),
                        static_cast<v1::RewardAdmin::Service*>(&fake_)});
    EXPECT_OK(server);
    server_ = *std::move(server);
    client_.emplace(absl::StrCat("127.0.0.1:", server_->port()));
    StartLearner();
  }

  // Once more: what is not on disk is forgotten.
  void StartLearner() {
    rollouts_ = std::make_unique<RolloutsService>(
        RolloutBroker::Options{.rollouts_per_update = 2,
                               .max_staleness = max_staleness_,
                               .vocab_size = 100},
        &schedule_, &metrics_);
    source_.emplace(BatchSource::Options{
        .run_directory = folder_.path(),
        .rewards = &*client_,
        .rollouts = rollouts_.get(),
        .control = &control_,
        .keep_alive = [] { return absl::OkStatus(); },
        .num_ahead = max_staleness_,
        .takes_canary = [](int64_t update) { return update % 2 == 0; },
        .ordered =
            [this](int64_t update, const v1::ModelVersion& pm) {
              EXPECT_EQ(pm.digest(), Version(pm.version()).digest());
              v1::BatchHeader header;
              if (update >= ordered_from_) {
                header.mutable_settings()->set_learning_rate(0.5);
              }
              return header;
            },
        .num_updates = 4});
  }

  static std::vector<v1::Prompt> Prompts() {
    std::vector<v1::Prompt> prompts(1);
    prompts[0].set_prompt_id("p");
    prompts[0].add_messages()->set_role("user");
    prompts[0].mutable_messages(0)->set_content("Tea?");
    return prompts;
  }

  // The prompts that an actor with policy `version` gets.
  std::vector<v1::PromptLease> Lease(int64_t version, int max_leases) {
    v1::LeasePromptsRequest request;
    request.set_actor_id("a");
    request.set_max_leases(max_leases);
    request.set_policy_version(version);
    v1::LeasePromptsResponse response;
    rollouts_->LeasePrompts(nullptr, &request, &response);
    return {response.leases().begin(), response.leases().end()};
  }

  // Samples whatever is leased, as an actor with policy `version`, and has it
  // scored with the PM that the lease names, until so many are done.
  void Act(int64_t version, int64_t num_rollouts) {
    int64_t done = 0;
    while (done < num_rollouts) {
      const std::vector<v1::PromptLease> leases = Lease(version, 1);
      for (const v1::PromptLease& lease : leases) {
        Submit(lease, version);
        ++done;
      }
      if (leases.empty()) std::this_thread::yield();
    }
  }

  void Submit(const v1::PromptLease& lease, int64_t version) {
    Submit(std::vector<v1::PromptLease>{lease}, version);
  }

  void Submit(const std::vector<v1::PromptLease>& leases, int64_t version) {
    v1::SubmitRolloutsRequest request;
    for (const v1::PromptLease& lease : leases) {
      v1::Rollout& rollout = *request.add_rollouts();
      rollout.set_rollout_id(lease.rollout_id());
      rollout.set_attempt(lease.attempt());
      *rollout.mutable_prompt() = lease.prompt();
      rollout.add_prompt_ids(1);
      rollout.add_response_ids(2);
      rollout.add_behaviour_logprobs(-1);
      rollout.set_policy_version(version);
      rollout.set_finish_reason(v1::FINISH_REASON_STOP);
      rollout.set_response_text(std::string(lease.sample() + 1, 'x'));
      rollout.set_reward(
          static_cast<float>(lease.pm_version() * (lease.sample() + 1)));
      *rollout.mutable_pm() = Version(lease.pm_version());
    }
    v1::SubmitRolloutsResponse response;
    rollouts_->SubmitRollouts(nullptr, &request, &response);
    for (const v1::RolloutAck& ack : response.acks()) {
      EXPECT_EQ(ack.status(), v1::RolloutAck::ACCEPTED) << ack.message();
    }
  }

  int64_t PmShown() {
    v1::LearnerStatus status;
    control_.GetStatus(nullptr, nullptr, &status);
    return status.pm().version();
  }

  Batch Collect(int64_t update) {
    auto batch = source_->Collect(update);
    EXPECT_OK(batch);
    EXPECT_TRUE(batch->has_value());
    return **std::move(batch);
  }

  const int64_t max_staleness_;
  TempDir folder_;
  prometheus::Registry registry_;
  LearnerMetrics metrics_;
  const PromptSchedule schedule_;
  std::unique_ptr<RolloutsService> rollouts_;
  ControlService control_;
  FakeRewards fake_;
  std::unique_ptr<GrpcServer> server_;
  std::optional<RewardClient> client_;
  std::optional<BatchSource> source_;
  // The first update for which there are orders.
  int64_t ordered_from_ = 1000;
};

TEST_F(BatchSourceTest, TheFirstBatchIsItsOwnAnchor) {
  const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
  const Batch batch = Collect(1);
  // Rewards 1 and 2.
  EXPECT_EQ(batch.header.pm().version(), 1);
  EXPECT_EQ(batch.header.reward_mean(), 1.5);
  EXPECT_EQ(batch.header.reward_scale(), 0.5);
}

TEST_F(BatchSourceTest, ABatchKeepsTheOrdersThatItWasOpenedWith) {
  ordered_from_ = 2;
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    EXPECT_FALSE(Collect(1).header.has_settings());
  }
  {
    const auto actor = std::async(std::launch::async, [&] { Act(1, 2); });
    EXPECT_EQ(Collect(2).header.settings().learning_rate(), 0.5);
  }
  // From its journal, whatever is ordered by now.
  ordered_from_ = 1000;
  StartLearner();
  const Batch again = Collect(2);
  EXPECT_EQ(again.header.settings().learning_rate(), 0.5);
  EXPECT_EQ(again.header.reward_scale(), 0.5) << "the anchor is there too";
}

TEST_F(BatchSourceTest, ALaterPmIsAnchoredOnTheFirstBatch) {
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
  fake_.Serve(3);
  const auto actor = std::async(std::launch::async, [&] { Act(1, 2); });
  const Batch batch = Collect(2);
  EXPECT_EQ(batch.header.pm().version(), 3);
  // It scores the first batch's responses 3 and 6.
  EXPECT_EQ(batch.header.reward_mean(), 4.5);
  EXPECT_EQ(batch.header.reward_scale(), 1.5);
}

TEST_F(BatchSourceTest, ARewardServerThatIsAwayIsNamedInTheLog) {
  const std::string address = absl::StrCat("127.0.0.1:", server_->port());
  server_.reset();
  testing::internal::CaptureStderr();
  const auto back = std::async(std::launch::async, [&] {
    v1::LearnerStatus status;
    while (status.phase() != "waiting for a preference model") {
      control_.GetStatus(nullptr, nullptr, &status);
      std::this_thread::yield();
    }
    ASSERT_OK_AND_ASSIGN(
        server_,
        GrpcServer::Start(address,
                          {static_cast<v1::Reward::Service*>(&fake_),
                           static_cast<v1::RewardAdmin::Service*>(&fake_)}));
    Act(0, 2);
  });
  Collect(1);
  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      testing::AllOf(testing::HasSubstr("the reward server does not answer: "),
                     testing::HasSubstr("the reward server answers again")));
}

// Replicas load a promoted PM each in its own time.
TEST_F(BatchSourceTest, OfTwoReplicasABatchTakesAPmThatBothHold) {
  FakeRewards slower;
  ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<GrpcServer> second,
      GrpcServer::Start("127.0.0.1:0",
                        {static_cast<v1::Reward::Service*>(&slower),
                         static_cast<v1::RewardAdmin::Service*>(&slower)}));
  client_.emplace(absl::StrCat("127.0.0.1:", server_->port(),
                               ",127.0.0.1:", second->port()));
  StartLearner();
  const auto collect = [this](int64_t update) {
    const auto actor =
        std::async(std::launch::async, [&] { Act(update - 1, 2); });
    return Collect(update);
  };
  collect(1);
  fake_.Serve(2);
  EXPECT_EQ(collect(2).header.pm().version(), 1);
  slower.Serve(2);
  const Batch third = collect(3);
  EXPECT_EQ(third.header.pm().version(), 2);
  // It scores the first batch's responses 2 and 4.
  EXPECT_EQ(third.header.reward_mean(), 3);
}

TEST_F(BatchSourceTest, EachPmIsAnchoredOnce) {
  const auto actor = std::async(std::launch::async, [&] {
    for (int64_t version = 0; version < 4; ++version) Act(version, 2);
  });
  Collect(1);
  const double of_version_one = Collect(2).header.reward_scale();
  EXPECT_EQ(Collect(3).header.reward_scale(), of_version_one);
  EXPECT_EQ(fake_.num_score_calls(), 1);
  fake_.Serve(2);
  EXPECT_EQ(Collect(4).header.reward_scale(), 2 * of_version_one);
  EXPECT_EQ(fake_.num_score_calls(), 2);
}

TEST_F(BatchSourceTest, APmThatIsSwappedOutTwiceMeanwhileIsAskedForAgain) {
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
  fake_.SwapTwiceBeforeScoring(2);
  const auto actor = std::async(std::launch::async, [&] { Act(1, 2); });
  // 1, then 3, then 5 serves.
  EXPECT_EQ(Collect(2).header.pm().version(), 5);
}

TEST_F(BatchSourceTest, AnOpenBatchIsScoredAgainWhenItsPmIsGone) {
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
  const auto actor = std::async(std::launch::async, [&] {
    Act(1, 1);
    fake_.Serve(4);
    // Noticed within some seconds; the test's own limit is CTest's.
    while (PmShown() != 4) std::this_thread::yield();
    Act(1, 1);
  });
  const Batch batch = Collect(2);
  EXPECT_EQ(batch.header.pm().version(), 4);
  for (const v1::Rollout& rollout : batch.rollouts) {
    EXPECT_EQ(rollout.pm().version(), batch.header.pm().version());
    EXPECT_EQ(rollout.reward(),
              static_cast<float>(
                  batch.header.pm().version() *
                  static_cast<int64_t>(rollout.response_text().size())));
  }
}

TEST_F(BatchSourceTest, ServingPmAndCanaryInTurnsAreAnchoredOnceEach) {
  fake_.Try(2);
  const auto actor = std::async(std::launch::async, [&] {
    for (int64_t version = 0; version < 4; ++version) Act(version, 2);
  });
  Collect(1);
  EXPECT_EQ(Collect(2).header.pm().version(), 2);
  EXPECT_EQ(Collect(3).header.pm().version(), 1);
  const Batch fourth = Collect(4);
  EXPECT_EQ(fourth.header.pm().version(), 2);
  EXPECT_EQ(fourth.header.reward_mean(), 3);  // of 2 and 4
  EXPECT_EQ(fake_.num_score_calls(), 2);
}

// The actors get no scores, and so the batch would never be complete.
TEST_F(BatchSourceTest, ABatchWhoseCanaryCannotScoreIsTheServingPms) {
  fake_.Try(2);
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
  const auto actor = std::async(std::launch::async, [&] {
    Act(1, 1);  // the canary's
    while (PmShown() != 2) std::this_thread::yield();
    fake_.BreakCanary("too long");
    // Noticed within some seconds; the test's own limit is CTest's.
    while (PmShown() != 1) std::this_thread::yield();
    Act(1, 1);
  });
  const Batch batch = Collect(2);
  EXPECT_EQ(batch.header.pm().version(), 1);
  // By the letters of its responses.
  EXPECT_EQ(batch.rollouts[0].reward(), 3);
  EXPECT_EQ(batch.rollouts[1].reward(), 4);
}

TEST_F(BatchSourceTest, ARestartFindsTheBatchInTheJournal) {
  std::vector<v1::Rollout> before;
  {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    before = Collect(1).rollouts;
  }
  // No actor this time.
  const Batch again = Collect(1);
  ASSERT_EQ(again.rollouts.size(), before.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(again.rollouts[i].SerializeAsString(),
              before[i].SerializeAsString());
  }
}

// One version of staleness: the batch after the one that is collected is open
// too.
class BatchesAheadTest : public BatchSourceTest {
 protected:
  BatchesAheadTest() : BatchSourceTest(/*max_staleness=*/1) {}

  void MakeFirst() {
    const auto actor = std::async(std::launch::async, [&] { Act(0, 2); });
    Collect(1);
  }
};

TEST_F(BatchesAheadTest, ActorsGoOnWhileTheLearnerUpdates) {
  MakeFirst();
  // The learner trains on batch 1 and has published nothing.
  const std::vector<v1::PromptLease> leases = Lease(0, 8);
  ASSERT_EQ(leases.size(), 2);
  for (const v1::PromptLease& lease : leases) Submit(lease, 0);
  EXPECT_EQ(leases[0].rollout_id(), "000002/000");
  // Batch 3 must wait for version 1.
  EXPECT_TRUE(Lease(0, 8).empty());
  EXPECT_EQ(Collect(2).rollouts[0].policy_version(), 0);
  EXPECT_EQ(Lease(1, 1)[0].rollout_id(), "000003/000");
}

TEST_F(BatchesAheadTest, NothingOpensBeyondTheLastUpdate) {
  const auto actor = std::async(std::launch::async, [&] {
    for (int64_t version = 0; version < 4; ++version) Act(version, 2);
  });
  for (int64_t update = 1; update <= 4; ++update) Collect(update);
  EXPECT_TRUE(Lease(4, 8).empty());
  EXPECT_FALSE(FileExists(JournalPath(folder_.path(), 5)));
}

TEST_F(BatchesAheadTest, EachBatchKeepsThePmThatServedWhenItOpened) {
  MakeFirst();
  fake_.Serve(2);
  const auto actor = std::async(std::launch::async, [&] {
    Act(0, 2);
    Act(1, 2);
  });
  const Batch second = Collect(2), third = Collect(3);
  EXPECT_EQ(second.header.pm().version(), 1);
  EXPECT_EQ(third.header.pm().version(), 2);
  // Each on its own scale: version 2 gives twice the scores.
  EXPECT_EQ(third.header.reward_mean(), 2 * second.header.reward_mean());
}

TEST_F(BatchesAheadTest, EveryOpenBatchIsScoredAgainWhenItsPmIsGone) {
  MakeFirst();
  const auto actor = std::async(std::launch::async, [&] {
    Act(0, 1);  // half of batch 2
    while (!rollouts_->is_open(3)) std::this_thread::yield();
    fake_.Serve(4);
    while (PmShown() != 4) std::this_thread::yield();
    Act(0, 1);
    Act(1, 2);
  });
  EXPECT_EQ(Collect(2).header.pm().version(), 4);
  EXPECT_EQ(Collect(3).header.pm().version(), 4);
}

TEST_F(BatchesAheadTest, ARestartFindsEveryOpenBatchInItsJournal) {
  MakeFirst();
  Act(0, 2);
  const Batch second = Collect(2);
  Act(1, 1);  // half of batch 3, while update 2 is made

  StartLearner();
  // From the first update on, without a checkpoint and without an actor.
  Collect(1);
  EXPECT_TRUE(Lease(0, 8).empty());
  EXPECT_EQ(Collect(2).rollouts[1].SerializeAsString(),
            second.rollouts[1].SerializeAsString());
  const std::vector<v1::PromptLease> leases = Lease(1, 8);
  ASSERT_EQ(leases.size(), 1);
  EXPECT_EQ(leases[0].rollout_id(), "000003/001");
}

TEST_F(BatchesAheadTest, OneRequestMayHoldRolloutsOfTwoBatches) {
  MakeFirst();
  Act(0, 1);
  const auto learner = std::async(std::launch::async, [&] { Collect(2); });
  while (!rollouts_->is_open(3)) std::this_thread::yield();
  const std::vector<v1::PromptLease> leases = Lease(1, 2);
  ASSERT_EQ(leases.size(), 2);
  EXPECT_EQ(leases[0].rollout_id(), "000002/001");
  EXPECT_EQ(leases[1].rollout_id(), "000003/000");
  Submit(leases, 1);
  learner.wait();
  JournalContents third;
  ASSERT_OK(RolloutJournal::Open(JournalPath(folder_.path(), 3), third));
  EXPECT_EQ(third.rollouts.size(), 1);
}

}  // namespace
}  // namespace rlhf
