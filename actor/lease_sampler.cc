#include "actor/lease_sampler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "core/nn/sampler.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/protocol.h"

namespace rlhf {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(2);
constexpr absl::Duration kIdleWait = absl::Milliseconds(20);

}  // namespace

// One LeasePrompts call, which gRPC answers on a thread of its own. It outlives
// the sampler if it must.
struct LeaseSampler::Call {
  const std::unique_ptr<grpc::ClientContext> context =
      ContextWithDeadline(kCallTimeout);
  v1::LeasePromptsRequest request;
  v1::LeasePromptsResponse response;  // to be read once it is answered

  void Answer(const grpc::Status& result) {
    MutexLock lock(&mutex);
    status = FromGrpcStatus(result);
    answered_at = MonotonicNow();
    answered.SignalAll();
  }
  bool IsAnsweredWithin(absl::Duration patience) {
    MutexLock lock(&mutex);
    if (!answered_at.has_value() && patience > absl::ZeroDuration()) {
      answered.WaitFor(&mutex, patience);
    }
    return answered_at.has_value();
  }
  // Dies unless it is answered.
  std::pair<absl::Status, absl::Time> Result() const {
    MutexLock lock(&mutex);
    return {status, answered_at.value()};
  }

  mutable Mutex mutex;
  CondVar answered;
  absl::Status status ABSL_GUARDED_BY(mutex);
  std::optional<absl::Time> answered_at ABSL_GUARDED_BY(mutex);
};

LeaseSampler::LeaseSampler(const std::string& learner_address,
                           const PromptCodec* codec, PolicyRunner* runner,
                           RolloutSubmitter* submitter, ActorMetrics* metrics,
                           const RpcIdentity& self, SpanFile* spans)
    : learner_address_(learner_address),
      learner_(
          v1::Rollouts::NewStub(MakeChannel(learner_address, self, "learner"))),
      codec_(codec),
      runner_(runner),
      submitter_(submitter),
      metrics_(metrics),
      spans_(spans),
      actor_id_(absl::StrCat("actor-", ThisBuild().place)) {}

LeaseSampler::~LeaseSampler() {
  if (call_ != nullptr) call_->context->TryCancel();
}

void LeaseSampler::TakeLeases() {
  if (call_ == nullptr) {
    if (runner_->room() == 0 || MonotonicNow() < next_lease_) return;
    Ask();
  }
  if (!call_->IsAnsweredWithin(runner_->idle() ? kIdleWait
                                               : absl::ZeroDuration())) {
    return;
  }
  Accept(*std::exchange(call_, nullptr));
}

void LeaseSampler::Ask() {
  call_ = std::make_shared<Call>();
  call_->request.set_actor_id(actor_id_);
  call_->request.set_max_leases(runner_->room());
  call_->request.set_policy_version(runner_->version());
  learner_->async()->LeasePrompts(
      call_->context.get(), &call_->request, &call_->response,
      [call = call_](const grpc::Status& status) { call->Answer(status); });
}

void LeaseSampler::Accept(const Call& call) {
  const auto [status, answered_at] = call.Result();
  const int64_t pause =
      status.ok() ? std::max<int64_t>(10, call.response.retry_after_ms()) : 500;
  next_lease_ = MonotonicNow() + absl::Milliseconds(pause);
  if (!status.ok() && status.code() != last_code_) {
    RLHF_LOG(WARNING) << "asking the learner at " << learner_address_
                      << " for prompts: " << status;
  }
  last_code_ = status.code();
  if (!status.ok()) return;
  for (const v1::PromptLease& lease : call.response.leases()) {
    const absl::Status started = Start(lease, answered_at);
    if (started.ok()) continue;
    // The configuration was checked at start, so this is a prompt that no actor
    // can sample; the learner's log shows that its lease never ends.
    RLHF_LOG(ERROR) << "prompt " << lease.prompt().prompt_id()
                    << " cannot be sampled: " << started;
    metrics_->rollouts_failed.Increment();
  }
}

absl::Status LeaseSampler::Start(const v1::PromptLease& lease,
                                 absl::Time granted) {
  RLHF_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                        codec_->Encode(lease.prompt()));
  EngineRequest sequence{
      .prompt_ids = ids,
      .stream = SampleStream(lease.seed(), lease.prompt().prompt_id(),
                             lease.sample()),
      .max_new_tokens = lease.max_new_tokens(),
      .temperature = lease.temperature()};
  const Work work{.lease = lease,
                  .started = MonotonicNow(),
                  .lease_end = granted + absl::Milliseconds(lease.lease_ms()),
                  .prompt_ids = std::move(ids)};
  return runner_
      ->Add(std::move(sequence),
            [this, work](absl::StatusOr<EngineResult> result) {
              Finish(work, std::move(result));
            })
      .status();
}

void LeaseSampler::Finish(const Work& work,
                          absl::StatusOr<EngineResult> result) {
  // The runner has logged why it failed.
  if (!result.ok()) return metrics_->rollouts_failed.Increment();
  metrics_->rollout_tokens.Observe(
      static_cast<double>(result->token_ids.size()));
  finished_.push_back({.rollout = MakeRollout(work, *result),
                       .pm_version = work.lease.pm_version(),
                       .lease_end = work.lease_end,
                       .trace = ParseTraceparent(work.lease.traceparent())});
  metrics_->rollout_seconds.Observe(
      finished_.back().rollout.generation_seconds());
  if (spans_ != nullptr && finished_.back().trace.has_value()) {
    Trace(work, finished_.back().rollout, *finished_.back().trace);
  }
}

void LeaseSampler::Trace(const Work& work, const v1::Rollout& rollout,
                         const TraceContext& parent) const {
  Span span = SpanSince(work.started, "generate");
  span.context = NewSpanIn(parent);
  span.parent_span_id = parent.span_id;
  span.attributes = {
      {"rollout_id", rollout.rollout_id()},
      {"actor_id", actor_id_},
      {"policy_version", rollout.policy_version()},
      {"prompt_tokens", int64_t{rollout.prompt_ids_size()}},
      {"response_tokens", int64_t{rollout.response_ids_size()}},
      {"finish_reason", v1::FinishReason_Name(rollout.finish_reason())}};
  spans_->Add(span);
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
  // The oldest, so that no token is staler than the rollout claims.
  rollout.set_policy_version(result.versions.front().version);
  if (result.versions.size() > 1) {
    for (const VersionRun& run : result.versions) {
      v1::VersionRun& added = *rollout.add_policy_versions();
      added.set_version(run.version);
      added.set_num_tokens(run.num_tokens);
    }
  }
  rollout.set_finish_reason(result.finish_reason);
  rollout.set_response_text(codec_->Decode(result.token_ids));
  rollout.set_actor_id(actor_id_);
  rollout.set_generation_seconds(
      absl::ToDoubleSeconds(MonotonicNow() - work.started));
  return rollout;
}

}  // namespace rlhf
