#include "core/telemetry/span.h"

#include "core/base/clock.h"
#include "core/base/json.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

Span SomeSpan() {
  return {.context = TraceOf("a", 1),
          .parent_span_id = "00f067aa0ba902b7",
          .name = "score",
          .kind = SpanKind::kClient,
          .start = absl::FromUnixNanos(1'764'000'000'000'000'001),
          .end = absl::FromUnixNanos(1'764'000'000'000'000'501),
          .attributes = {{"rollout_id", "000001/002"}, {"pm_version", 3}},
          .links = {TraceOf("b", 1)}};
}

Json Parsed(const Span& span) {
  return ParseJson(SpanLine(span, "actor")).value()["resourceSpans"][0];
}

TEST(SpanLineTest, IsOtlpJson) {
  const std::string line = SpanLine(SomeSpan(), "actor");
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const Json resource = Parsed(SomeSpan());
  EXPECT_EQ(resource["resource"]["attributes"][0],
            Json({{"key", "service.name"},
                  {"value", {{"stringValue", "rlhf actor"}}}}));
  const Json span = resource["scopeSpans"][0]["spans"][0];
  EXPECT_EQ(span["traceId"], TraceOf("a", 1).trace_id);
  EXPECT_EQ(span["spanId"], TraceOf("a", 1).span_id);
  EXPECT_EQ(span["parentSpanId"], "00f067aa0ba902b7");
  EXPECT_EQ(span["name"], "score");
  EXPECT_EQ(span["kind"], 3);
  EXPECT_EQ(span["startTimeUnixNano"], "1764000000000000001");
  EXPECT_EQ(span["endTimeUnixNano"], "1764000000000000501");
  EXPECT_EQ(span["attributes"][0]["value"]["stringValue"], "000001/002");
  EXPECT_EQ(span["attributes"][1]["value"]["intValue"], "3");
  EXPECT_EQ(span["links"][0]["traceId"], TraceOf("b", 1).trace_id);
  EXPECT_EQ(span["status"]["code"], 1);
}

TEST(SpanLineTest, AFailureSaysWhatFailed) {
  Span span = SomeSpan();
  span.status = absl::UnavailableError("nobody there");
  const Json status = Parsed(span)["scopeSpans"][0]["spans"][0]["status"];
  EXPECT_EQ(status["code"], 2);
  EXPECT_EQ(status["message"], "nobody there");
}

TEST(SpanSinceTest, LastsFromThenToNow) {
  const Span span = SpanSince(MonotonicNow() - absl::Seconds(5), "x");
  EXPECT_GE(span.end - span.start, absl::Seconds(5));
  EXPECT_LT(span.end - span.start, absl::Seconds(60));
}

}  // namespace
}  // namespace rlhf
