#include "actor/lease_sampler.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/nn/sampler.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {

LeaseSampler::LeaseSampler(const std::string& learner_address,
                           const PromptCodec* codec, PolicyRunner* runner,
                           RolloutSubmitter* submitter, ActorMetrics* metrics)
    : learner_(v1::Rollouts::NewStub(MakeChannel(learner_address))),
      codec_(codec),
      runner_(runner),
      submitter_(submitter),
      metrics_(metrics),
      actor_id_(absl::StrCat("actor-", ::getpid())) {}

void LeaseSampler::TakeLeases() {
  if (runner_->room() == 0 || absl::Now() < next_lease_) return;
  v1::LeasePromptsRequest request;
  request.set_actor_id(actor_id_);
  request.set_max_leases(runner_->room());
  request.set_policy_version(runner_->version());
  v1::LeasePromptsResponse response;
  const auto context = ContextWithDeadline(absl::Seconds(2));
  const absl::Status status =
      FromGrpcStatus(learner_->LeasePrompts(context.get(), request, &response));
  const int64_t pause =
      status.ok() ? std::max<int64_t>(10, response.retry_after_ms()) : 500;
  next_lease_ = absl::Now() + absl::Milliseconds(pause);
  for (const v1::PromptLease& lease : response.leases()) {
    const absl::Status started = Start(lease);
    if (started.ok()) continue;
    // The configuration was checked at start, so this is a prompt that no actor
    // can sample; the learner's log shows that its lease never ends.
    RLHF_LOG(ERROR) << "prompt " << lease.prompt().prompt_id()
                    << " cannot be sampled: " << started;
    metrics_->rollouts_failed.Increment();
  }
}

absl::Status LeaseSampler::Start(const v1::PromptLease& lease) {
  RLHF_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                        codec_->Encode(lease.prompt()));
  EngineRequest sequence{
      .prompt_ids = ids,
      .stream = SampleStream(lease.seed(), lease.prompt().prompt_id(),
                             lease.sample()),
      .max_new_tokens = lease.max_new_tokens(),
      .temperature = lease.temperature()};
  const Work work{
      .lease = lease, .started = absl::Now(), .prompt_ids = std::move(ids)};
  return runner_->Add(std::move(sequence),
                      [this, work](absl::StatusOr<EngineResult> result) {
                        Finish(work, std::move(result));
                      });
}

void LeaseSampler::Finish(const Work& work,
                          absl::StatusOr<EngineResult> result) {
  // The runner has logged why it failed.
  if (!result.ok()) return metrics_->rollouts_failed.Increment();
  metrics_->rollout_tokens.Observe(
      static_cast<double>(result->token_ids.size()));
  finished_.push_back(
      {.rollout = MakeRollout(work, *result),
       .pm_version = work.lease.pm_version(),
       .lease_end = work.started + absl::Milliseconds(work.lease.lease_ms())});
}

void LeaseSampler::HandIn() {
  if (finished_.empty()) return;
  const size_t refused = submitter_->Add(std::exchange(finished_, {}));
  if (refused == 0) return;
  metrics_->rollouts_failed.Increment(static_cast<double>(refused));
  RLHF_LOG(WARNING) << "submission queue is full; " << refused
                    << " rollouts are given up";
}

v1::Rollout LeaseSampler::MakeRollout(const Work& work,
                                      const EngineResult& result) const {
  v1::Rollout rollout;
  rollout.set_rollout_id(work.lease.rollout_id());
  rollout.set_attempt(work.lease.attempt());
  *rollout.mutable_prompt() = work.lease.prompt();
  rollout.mutable_prompt_ids()->Add(work.prompt_ids.begin(),
                                    work.prompt_ids.end());
  rollout.mutable_response_ids()->Add(result.token_ids.begin(),
                                      result.token_ids.end());
  rollout.mutable_behaviour_logprobs()->Add(result.logprobs.begin(),
                                            result.logprobs.end());
  rollout.set_policy_version(runner_->version());
  rollout.set_finish_reason(result.finish_reason);
  rollout.set_response_text(codec_->Decode(result.token_ids));
  rollout.set_actor_id(actor_id_);
  rollout.set_generation_seconds(
      absl::ToDoubleSeconds(absl::Now() - work.started));
  return rollout;
}

}  // namespace rlhf
