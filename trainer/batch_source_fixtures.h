// A batch source with its rollouts, and a reward server that is told what
// serves.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/mutex.h"
#include "core/rpc/grpc_server.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/batch_source.h"

namespace rlhf {

inline v1::ModelVersion Version(int64_t version) {
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

}  // namespace rlhf
