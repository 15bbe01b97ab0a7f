// What a process did for a trace, as a line of OTLP/JSON: OpenTelemetry's
// format of files, https://opentelemetry.io/docs/specs/otel/protocol/
// file-exporter/, which its collector reads.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/telemetry/trace_context.h"

namespace rlhf {

// OTLP's numbers.
enum class SpanKind { kInternal = 1, kServer = 2, kClient = 3 };

struct Span {
  TraceContext context;
  std::string parent_span_id;  // empty: the first of its trace
  std::string name;
  SpanKind kind = SpanKind::kInternal;
  // The time of day, so that those of several processes are in order.
  absl::Time start, end;
  std::vector<std::pair<std::string, std::variant<std::string, int64_t>>>
      attributes;
  // Spans of other traces that have to do with it.
  std::vector<TraceContext> links;
  absl::Status status;
};

// A span that began at `started`, of MonotonicNow, and ends now.
Span SpanSince(absl::Time started, std::string name);

// One line, without its end; `role` names the process.
std::string SpanLine(const Span& span, absl::string_view role);

}  // namespace rlhf
