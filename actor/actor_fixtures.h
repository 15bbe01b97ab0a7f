// What the actor's tests share: a tiny policy, and a learner and a reward
// server that do as they are told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "actor/actor_metrics.h"
#include "actor/generation_engine.h"
#include "core/base/check.h"
#include "core/base/mutex.h"
#include "core/text/tokenizer.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "rlhf/v1/rollout.grpc.pb.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {

// Looks until `condition` holds; false if it does not within 10 seconds.
inline bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

inline std::shared_ptr<Transformer> TinyPolicy(uint64_t seed) {
  return std::make_shared<Transformer>(MakeTinyModel(seed));
}

// All of whose tokens are equally likely, always.
inline std::shared_ptr<const Transformer> FlatPolicy() {
  auto model = std::make_shared<Transformer>(MakeTinyModel(1));
  for (const NamedTensor& weight : model->parameters()) {
    if (weight.name == "model.norm.weight") weight.tensor.zero_();
  }
  return model;
}

// Steps until nothing is left; what came out, by id.
inline std::map<uint64_t, EngineResult> Drain(GenerationEngine& engine) {
  std::map<uint64_t, EngineResult> done;
  while (!engine.idle()) {
    auto results = engine.Step();
    RLHF_CHECK(results.ok()) << results.status();
    for (EngineResult& result : *results) {
      const uint64_t id = result.id;
      RLHF_CHECK(done.emplace(id, std::move(result)).second) << id;
    }
  }
  return done;
}

// Samples one request in an engine of its own.
inline EngineResult SampleAlone(std::shared_ptr<const Transformer> model,
                                EngineRequest request,
                                const Tokenizer* tokenizer = nullptr) {
  GenerationEngine engine(std::move(model),
                          {.max_batch = 1, .tokenizer = tokenizer});
  const uint64_t id = request.id;
  const absl::Status added = engine.Add(std::move(request));
  RLHF_CHECK(added.ok()) << added;
  return Drain(engine).at(id);
}

inline v1::Prompt UserPrompt(const std::string& id, const std::string& text) {
  v1::Prompt prompt;
  prompt.set_prompt_id(id);
  v1::Message& message = *prompt.add_messages();
  message.set_role("user");
  message.set_content(text);
  return prompt;
}

// Series of their own for one test.
struct TestMetrics {
  prometheus::Registry registry;
  ActorMetrics series{registry};
};

// Where calls wait while it is shut.
class Gate {
 public:
  void Shut() {
    MutexLock lock(&mutex_);
    shut_ = true;
  }
  void Open() {
    MutexLock lock(&mutex_);
    shut_ = false;
    changed_.SignalAll();
  }
  void Pass() {
    MutexLock lock(&mutex_);
    ++num_waiting_;
    while (shut_) changed_.Wait(&mutex_);
    --num_waiting_;
  }
  bool someone_waits() const {
    MutexLock lock(&mutex_);
    return num_waiting_ > 0;
  }

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  bool shut_ ABSL_GUARDED_BY(mutex_) = false;
  int num_waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Scores a response with its length, by the PM version that is asked for. The
// first `num_away` calls are told that nobody is there.
class LengthReward final : public v1::Reward::Service {
 public:
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    const int call = CountCall();
    gate.Pass();
    MutexLock lock(&mutex_);
    if (!error_.ok()) return error_;
    if (call <= num_away_) return {grpc::UNAVAILABLE, "away"};
    for (const v1::ScoredDialogue& dialogue : request->dialogues()) {
      if (dialogue.response().size() > longest_) {
        return {grpc::INVALID_ARGUMENT, "too long for this PM"};
      }
      response->add_scores(static_cast<float>(dialogue.response().size()));
    }
    response->mutable_pm()->set_version(request->pm_version());
    response->mutable_pm()->set_digest(
        absl::StrCat("digest", request->pm_version()));
    return grpc::Status::OK;
  }

  void BeAwayFor(int num_calls) {
    MutexLock lock(&mutex_);
    num_away_ = num_calls;
  }
  void Fail(const grpc::Status& error) {
    MutexLock lock(&mutex_);
    error_ = error;
  }
  void RefuseLongerThan(size_t length) {
    MutexLock lock(&mutex_);
    longest_ = length;
  }
  int num_calls() const {
    MutexLock lock(&mutex_);
    return num_calls_;
  }

  // What every call passes once it is counted.
  Gate gate;

 private:
  int CountCall() {
    MutexLock lock(&mutex_);
    return ++num_calls_;
  }

  mutable Mutex mutex_;
  int num_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_away_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t longest_ ABSL_GUARDED_BY(mutex_) = 1 << 20;
  grpc::Status error_ ABSL_GUARDED_BY(mutex_);
};

// Grants `leases` once, and keeps what is handed in. The first `num_away`
// submissions are told that nobody is there.
class FakeLearner final : public v1::Rollouts::Service {
 public:
  grpc::Status LeasePrompts(grpc::ServerContext*,
                            const v1::LeasePromptsRequest* request,
                            v1::LeasePromptsResponse* response) override {
    gate.Pass();
    MutexLock lock(&mutex_);
    if (num_asked_++ == 0) first_request_ = *request;
    for (const v1::PromptLease& lease : leases) *response->add_leases() = lease;
    leases.clear();
    return grpc::Status::OK;
  }

  grpc::Status SubmitRollouts(grpc::ServerContext*,
                              const v1::SubmitRolloutsRequest* request,
                              v1::SubmitRolloutsResponse* response) override {
    MutexLock lock(&mutex_);
    if (++num_calls_ <= num_away) return {grpc::UNAVAILABLE, "away"};
    for (const v1::Rollout& rollout : request->rollouts()) {
      rollouts_.push_back(rollout);
      v1::RolloutAck& ack = *response->add_acks();
      ack.set_rollout_id(rollout.rollout_id());
      ack.set_status(v1::RolloutAck::ACCEPTED);
    }
    return grpc::Status::OK;
  }

  v1::LeasePromptsRequest first_request() const {
    MutexLock lock(&mutex_);
    return first_request_;
  }
  std::vector<v1::Rollout> rollouts() const {
    MutexLock lock(&mutex_);
    return rollouts_;
  }

  // What LeasePrompts calls pass.
  Gate gate;
  // Set before the first call; read when none is under way.
  std::vector<v1::PromptLease> leases;
  int num_away = 0;

 private:
  mutable Mutex mutex_;
  int num_asked_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::LeasePromptsRequest first_request_ ABSL_GUARDED_BY(mutex_);
  int num_calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<v1::Rollout> rollouts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
