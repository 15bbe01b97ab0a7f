#include "actor/policy_runner.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/nn/torch_call.h"

namespace rlhf {

absl::Status PolicyRunner::Offer(PolicyVersion policy) {
  if (engine_ == nullptr) {
    absl::StatusOr<std::unique_ptr<GenerationEngine>> engine =
        GenerationEngine::Create(policy.model, options_);
    if (!engine.ok()) return WithContext(engine.status(), "actor.max_batch");
    engine_ = *std::move(engine);
  }
  offered_ = std::move(policy);
  return TakeOffered();
}

absl::Status PolicyRunner::TakeOffered() {
  if (!offered_.has_value()) return absl::OkStatus();
  if (on_new_version_ == OnNewVersion::kFinish && !idle()) {
    return absl::OkStatus();
  }
  version_ = offered_->version;
  std::shared_ptr<const Transformer> model = offered_->model;
  if (packer_.has_value()) {
    // Between two steps: the engine's model, which is overwritten, is not in
    // use.
    RLHF_ASSIGN_OR_RETURN(model, TorchCall("memory to pack a policy", [&] {
                            return packer_->Pack(std::move(*offered_->model));
                          }));
  }
  engine_->SetModel(std::move(model), version_,
                    on_new_version_ == OnNewVersion::kRecompute
                        ? GenerationEngine::OldCache::kRecompute
                        : GenerationEngine::OldCache::kKeep);
  offered_.reset();
  metrics_->policy_version.Set(static_cast<double>(version_));
  RLHF_LOG(INFO) << "policy version " << version_;
  return absl::OkStatus();
}

int PolicyRunner::room() const {
  if (engine_ == nullptr) return 0;
  return std::max(
      0, options_.max_batch - engine_->num_running() - engine_->num_waiting());
}

absl::Status PolicyRunner::Validate(const EngineRequest& request) const {
  RLHF_CHECK(engine_ != nullptr);
  return engine_->Validate(request);
}

absl::StatusOr<uint64_t> PolicyRunner::Add(EngineRequest request, Done done) {
  RLHF_CHECK(engine_ != nullptr);
  const uint64_t id = next_id_++;
  const auto num_prompt_tokens = static_cast<double>(request.prompt_ids.size());
  request.id = id;
  RLHF_RETURN_IF_ERROR(engine_->Add(std::move(request)));
  done_by_id_[id] = std::move(done);
  metrics_->prompt_tokens.Increment(num_prompt_tokens);
  return id;
}

void PolicyRunner::Cancel(uint64_t id) {
  if (engine_ != nullptr && engine_->Cancel(id)) done_by_id_.erase(id);
}

absl::Status PolicyRunner::Step() {
  if (engine_ == nullptr) return absl::OkStatus();
  metrics_->sequences_running.Set(engine_->num_running());
  metrics_->sequences_waiting.Set(engine_->num_waiting());
  // What was in the way may have been cancelled.
  if (engine_->idle()) return TakeOffered();
  const Stopwatch stopwatch;
  absl::StatusOr<std::vector<EngineResult>> results = engine_->Step();
  metrics_->inter_token_seconds.Observe(stopwatch.seconds());
  if (!results.ok()) {
    RLHF_LOG(ERROR) << "generation failed: " << results.status();
    for (const auto& [id, done] : std::exchange(done_by_id_, {})) {
      done(results.status());
    }
  } else {
    for (EngineResult& result : *results) {
      metrics_->generated_tokens.Increment(
          static_cast<double>(result.token_ids.size()));
      const auto entry = done_by_id_.extract(result.id);
      entry.mapped()(std::move(result));
    }
  }
  return TakeOffered();
}

}  // namespace rlhf
