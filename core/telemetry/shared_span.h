// Work that is done for several traces at once, such as the scoring of a batch.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/telemetry/span_file.h"
#include "core/telemetry/trace_context.h"

namespace rlhf {

// The context that calls of this thread carry; null: none.
const TraceContext* ActiveTrace();

// While it lives, the calls of its thread belong to the first of the traces. In
// the end each trace has a span of this work, and those after the first a link
// to the first, where the calls are. To be used by one thread, and ended before
// an older one of that thread.
class SharedSpan {
 public:
  // `parents` are where the work belongs, in each trace; without any, or if
  // `spans` (not owned) is null, nothing is recorded.
  SharedSpan(SpanFile* spans, std::string name,
             const std::vector<TraceContext>& parents);
  SharedSpan(const SharedSpan&) = delete;
  SharedSpan& operator=(const SharedSpan&) = delete;
  ~SharedSpan();

  void Set(std::string key, std::variant<std::string, int64_t> value) {
    attributes_.emplace_back(std::move(key), std::move(value));
  }
  // What became of the work.
  void SetStatus(absl::Status status) { status_ = std::move(status); }

 private:
  struct Part {
    TraceContext context;
    std::string parent_span_id;
  };

  SpanFile* const spans_;
  const std::string name_;
  const absl::Time started_;
  const TraceContext* const outer_;
  std::vector<Part> parts_;
  decltype(Span::attributes) attributes_;
  absl::Status status_;
};

}  // namespace rlhf
