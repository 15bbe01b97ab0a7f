#include "core/telemetry/span.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/json.h"

namespace rlhf {
namespace {

// OTLP/JSON writes 64-bit integers as strings.
std::string Nanoseconds(absl::Time time) {
  return absl::StrCat(absl::ToUnixNanos(time));
}

Json AttributeOf(const std::string& key,
                 const std::variant<std::string, int64_t>& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return {{"key", key}, {"value", {{"stringValue", *text}}}};
  }
  return {{"key", key},
          {"value", {{"intValue", absl::StrCat(std::get<int64_t>(value))}}}};
}

Json StatusOf(const absl::Status& status) {
  constexpr int kOk = 1, kError = 2;
  if (status.ok()) return {{"code", kOk}};
  return {{"code", kError}, {"message", std::string(status.message())}};
}

Json ToJson(const Span& span) {
  Json attributes = Json::array();
  for (const auto& [key, value] : span.attributes) {
    attributes.push_back(AttributeOf(key, value));
  }
  Json links = Json::array();
  for (const TraceContext& link : span.links) {
    links.push_back({{"traceId", link.trace_id}, {"spanId", link.span_id}});
  }
  return {{"traceId", span.context.trace_id},
          {"spanId", span.context.span_id},
          {"parentSpanId", span.parent_span_id},
          {"name", span.name},
          {"kind", static_cast<int>(span.kind)},
          {"startTimeUnixNano", Nanoseconds(span.start)},
          {"endTimeUnixNano", Nanoseconds(span.end)},
          {"attributes", std::move(attributes)},
          {"links", std::move(links)},
          {"status", StatusOf(span.status)}};
}

}  // namespace

Span SpanSince(absl::Time started, std::string name) {
  const absl::Time now = absl::Now();
  return {.name = std::move(name),
          .start = now - (MonotonicNow() - started),
          .end = now};
}

std::string SpanLine(const Span& span, absl::string_view role) {
  const Json resource = {
      {"attributes", Json::array({AttributeOf("service.name",
                                              absl::StrCat("rlhf ", role))})}};
  const Json scope = {{"scope", {{"name", "rlhf"}}},
                      {"spans", Json::array({ToJson(span)})}};
  return DumpJson({{"resourceSpans",
                    Json::array({{{"resource", resource},
                                  {"scopeSpans", Json::array({scope})}}})}});
}

}  // namespace rlhf
