#include "actor/rollout_submitter.h"

#include <map>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/retry.h"
#include "core/telemetry/shared_span.h"

namespace rlhf {
namespace {

// Until the last lease ends: the learner tells of each one that ended before.
absl::Duration TimeLeft(const std::vector<PendingRollout>& batch) {
  absl::Time end = absl::InfinitePast();
  for (const PendingRollout& pending : batch) {
    end = std::max(end, pending.lease_end);
  }
  return end - MonotonicNow();
}

// Of those that are traced.
std::vector<TraceContext> TracesOf(const std::vector<PendingRollout>& batch) {
  std::vector<TraceContext> traces;
  for (const PendingRollout& pending : batch) {
    if (pending.trace.has_value()) traces.push_back(*pending.trace);
  }
  return traces;
}

}  // namespace

RolloutSubmitter::RolloutSubmitter(const std::string& learner_address,
                                   const std::string& reward_address,
                                   size_t capacity, ActorMetrics* metrics,
                                   const RpcIdentity& self, SpanFile* spans)
    : metrics_(metrics),
      spans_(spans),
      rewards_(reward_address, self),
      learner_(
          v1::Rollouts::NewStub(MakeChannel(learner_address, self, "learner"))),
      queue_(capacity),
      thread_([this] { Run(); }) {}

RolloutSubmitter::~RolloutSubmitter() {
  queue_.Close();
  if (ShutdownRequested()) thread_.request_stop();
  thread_.join();
}

void RolloutSubmitter::Run() {
  while (true) {
    std::optional<PendingRollout> first = queue_.Pop(absl::Seconds(1));
    if (ShutdownRequested()) return;
    if (!first.has_value()) {
      if (queue_.closed()) return;
      continue;
    }
    // Everything that is ready goes together, by PM version.
    std::map<int64_t, std::vector<PendingRollout>> by_pm;
    by_pm[first->pm_version].push_back(*std::move(first));
    while (queue_.size() > 0) {
      std::optional<PendingRollout> next = queue_.Pop(absl::ZeroDuration());
      if (!next.has_value()) break;
      by_pm[next->pm_version].push_back(*std::move(next));
    }
    for (auto& [version, batch] : by_pm) Deliver(std::move(batch));
  }
}

void RolloutSubmitter::Deliver(std::vector<PendingRollout> batch) {
  const absl::Status scored = Score(batch);
  // One that the PM refuses must not take the others with it.
  if (absl::IsInvalidArgument(scored) && batch.size() > 1) {
    for (PendingRollout& pending : batch) Deliver({std::move(pending)});
    return;
  }
  const absl::Status status = scored.ok() ? Submit(batch) : scored;
  if (status.ok()) return;
  // The leases expire and the prompts are sampled again: nothing that was
  // acknowledged is lost.
  metrics_->rollouts_failed.Increment(static_cast<double>(batch.size()));
  RLHF_LOG(WARNING) << batch.size() << " rollouts given up: " << status;
}

absl::Status RolloutSubmitter::Score(std::vector<PendingRollout>& batch) {
  std::vector<v1::ScoredDialogue> dialogues;
  for (const PendingRollout& pending : batch) {
    v1::ScoredDialogue& dialogue = dialogues.emplace_back();
    *dialogue.mutable_prompt() = pending.rollout.prompt().messages();
    dialogue.set_response(pending.rollout.response_text());
  }
  SharedSpan span(spans_, "score", TracesOf(batch));
  span.Set("pm_version", batch.front().pm_version);
  span.Set("dialogues", static_cast<int64_t>(batch.size()));
  const absl::StatusOr<ScoreResult> result =
      rewards_.Score(dialogues, batch.front().pm_version, TimeLeft(batch),
                     thread_.get_stop_token());
  span.SetStatus(result.status());
  RLHF_RETURN_IF_ERROR(result.status());
  for (size_t i = 0; i < batch.size(); ++i) {
    result->Fill(i, batch[i].rollout);
  }
  return absl::OkStatus();
}

absl::Status RolloutSubmitter::Submit(
    const std::vector<PendingRollout>& batch) {
  v1::SubmitRolloutsRequest request;
  for (const PendingRollout& pending : batch) {
    *request.add_rollouts() = pending.rollout;
  }
  SharedSpan span(spans_, "submit", TracesOf(batch));
  absl::Status submitted = RetryTransient(TimeLeft(batch), [&] {
    v1::SubmitRolloutsResponse response;
    const auto context = ContextWithDeadline(absl::Seconds(10));
    const absl::Status status = FromGrpcStatus(
        learner_->SubmitRollouts(context.get(), request, &response));
    for (const v1::RolloutAck& ack : response.acks()) {
      const bool is_taken = ack.status() == v1::RolloutAck::ACCEPTED ||
                            ack.status() == v1::RolloutAck::DUPLICATE;
      (is_taken ? metrics_->rollouts_done : metrics_->rollouts_failed)
          .Increment();
      if (ack.status() == v1::RolloutAck::REFUSED) {
        RLHF_LOG(ERROR) << "the learner refused rollout " << ack.rollout_id()
                        << ": " << ack.message();
      }
    }
    return status;
  });
  span.SetStatus(submitted);
  return submitted;
}

}  // namespace rlhf
