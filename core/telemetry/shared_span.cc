#include "core/telemetry/shared_span.h"

#include "core/base/clock.h"

namespace rlhf {
namespace {

thread_local const TraceContext* active = nullptr;

}  // namespace

const TraceContext* ActiveTrace() { return active; }

SharedSpan::SharedSpan(SpanFile* spans, std::string name,
                       const std::vector<TraceContext>& parents)
    : spans_(spans),
      name_(std::move(name)),
      started_(MonotonicNow()),
      outer_(active) {
  if (spans_ == nullptr) return;
  for (const TraceContext& parent : parents) {
    parts_.push_back(
        {.context = NewSpanIn(parent), .parent_span_id = parent.span_id});
  }
  if (!parts_.empty()) active = &parts_.front().context;
}

SharedSpan::~SharedSpan() {
  active = outer_;
  for (size_t i = 0; i < parts_.size(); ++i) {
    Span span = SpanSince(started_, name_);
    span.context = parts_[i].context;
    span.parent_span_id = parts_[i].parent_span_id;
    span.attributes = attributes_;
    if (i > 0) span.links.push_back(parts_.front().context);
    span.status = status_;
    spans_->Add(span);
  }
}

}  // namespace rlhf
