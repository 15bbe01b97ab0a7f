// Which span of which trace a piece of work belongs to, as calls carry it:
// W3C Trace Context, https://www.w3.org/TR/trace-context/.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// Of a trace that is recorded; of others there is none.
struct TraceContext {
  std::string trace_id;  // 32 digits, lower-case hexadecimal, not all 0
  std::string span_id;   // 16

  bool operator==(const TraceContext&) const = default;
};

// The name of the header, in HTTP and in gRPC's metadata.
inline constexpr char kTraceparent[] = "traceparent";

// "00-TRACE-SPAN-01".
std::string ToTraceparent(const TraceContext& context);

// The inverse; nullopt if it is malformed, or says that nobody records.
std::optional<TraceContext> ParseTraceparent(absl::string_view header);

// A trace for what is named `what`, always the same; its span is that of the
// attempt `attempt` at it.
TraceContext TraceOf(absl::string_view what, int attempt);

// A span in the trace of `parent` that nobody else has.
TraceContext NewSpanIn(const TraceContext& parent);

}  // namespace rlhf
