#include "trainer/rollout_traces.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/text/prompt_id.h"

namespace rlhf {
namespace {

// Of what happens to a rollout, below the lease `lease`.
Span StepOf(const TraceContext& lease, const std::string& rollout_id,
            absl::Time started, std::string name) {
  Span span = SpanSince(started, std::move(name));
  span.context = NewSpanIn(lease);
  span.parent_span_id = lease.span_id;
  span.attributes.emplace_back("rollout_id", rollout_id);
  return span;
}

}  // namespace

RolloutTraces::RolloutTraces(const v1::RunConfig& config, SpanFile* spans)
    : spans_(spans),
      share_(config.tracing().rollout_share()),
      run_(absl::StrCat(config.name(), " ", config.seed(), " ")) {}

std::optional<TraceContext> RolloutTraces::LeaseOf(
    const std::string& rollout_id, int attempt) const {
  if (spans_ == nullptr || HashFraction(rollout_id, "traced") >= share_) {
    return std::nullopt;
  }
  return TraceOf(absl::StrCat(run_, rollout_id), attempt);
}

void RolloutTraces::Leased(const std::string& actor_id,
                           v1::PromptLease& lease) {
  const auto context = LeaseOf(lease.rollout_id(), lease.attempt());
  if (!context.has_value()) return;
  lease.set_traceparent(ToTraceparent(*context));
  Span span = SpanSince(MonotonicNow(), "lease");
  span.context = *context;
  span.attributes = {{"rollout_id", lease.rollout_id()},
                     {"attempt", int64_t{lease.attempt()}},
                     {"actor_id", actor_id},
                     {"prompt_id", lease.prompt().prompt_id()},
                     {"pm_version", lease.pm_version()}};
  spans_->Add(span);
}

void RolloutTraces::Admitted(const v1::Rollout& rollout,
                             const v1::RolloutAck& ack, absl::Time received) {
  const auto lease = LeaseOf(rollout.rollout_id(), rollout.attempt());
  if (!lease.has_value()) return;
  Span span = StepOf(*lease, rollout.rollout_id(), received, "admission");
  span.attributes.emplace_back("answer",
                               v1::RolloutAck::Status_Name(ack.status()));
  span.attributes.emplace_back("policy_version", rollout.policy_version());
  spans_->Add(span);
}

void RolloutTraces::Begin(const Batch& batch) {
  began_ = MonotonicNow();
  in_use_.clear();
  for (const v1::Rollout& rollout : batch.rollouts) {
    auto lease = LeaseOf(rollout.rollout_id(), rollout.attempt());
    if (!lease.has_value()) continue;
    in_use_.push_back(
        {.rollout_id = rollout.rollout_id(), .lease = *std::move(lease)});
  }
}

void RolloutTraces::End(const v1::UpdateReport& report) {
  for (const InUse& used : std::exchange(in_use_, {})) {
    Span span = StepOf(used.lease, used.rollout_id, began_,
                       absl::StrCat("update ", report.update()));
    span.attributes.emplace_back("update", report.update());
    span.attributes.emplace_back("pm_version", report.pm().version());
    if (!report.left_out().empty()) {
      span.attributes.emplace_back("left_out", report.left_out());
    }
    spans_->Add(span);
  }
}

}  // namespace rlhf
