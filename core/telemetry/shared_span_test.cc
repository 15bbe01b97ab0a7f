#include "core/telemetry/shared_span.h"

#include <string>
#include <vector>

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/spans.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(SharedSpanTest, EachTraceHasASpanAndTheFirstHasTheCalls) {
  const TempDir dir;
  SpanFile file(dir.path(), "actor");
  const TraceContext first = TraceOf("a", 1), second = TraceOf("b", 1);
  std::string of_calls;
  {
    SharedSpan span(&file, "score", {first, second});
    span.Set("pm_version", 3);
    ASSERT_NE(ActiveTrace(), nullptr);
    EXPECT_EQ(ActiveTrace()->trace_id, first.trace_id);
    of_calls = ActiveTrace()->span_id;
    span.SetStatus(absl::UnavailableError("full"));
  }
  EXPECT_EQ(ActiveTrace(), nullptr);
  const std::vector<Json> spans = ReadSpans(dir / "actor.jsonl");
  ASSERT_THAT(spans, SizeIs(2));
  EXPECT_EQ(spans[0]["traceId"], first.trace_id);
  EXPECT_EQ(spans[0]["spanId"], of_calls);
  EXPECT_EQ(spans[0]["parentSpanId"], first.span_id);
  EXPECT_THAT(spans[0]["links"], IsEmpty());
  EXPECT_EQ(spans[1]["traceId"], second.trace_id);
  EXPECT_EQ(spans[1]["parentSpanId"], second.span_id);
  EXPECT_EQ(spans[1]["links"][0]["spanId"], of_calls);
  for (const Json& span : spans) {
    EXPECT_EQ(AttributeOf(span, "pm_version"), "3");
    EXPECT_EQ(span["status"]["message"], "full");
  }
}

TEST(SharedSpanTest, AnInnerOneGivesTheCallsBackToTheOuter) {
  const TempDir dir;
  SpanFile file(dir.path(), "actor");
  SharedSpan outer(&file, "outer", {TraceOf("a", 1)});
  const TraceContext before = *ActiveTrace();
  {
    const SharedSpan inner(&file, "inner", {TraceOf("b", 1)});
    EXPECT_EQ(ActiveTrace()->trace_id, TraceOf("b", 1).trace_id);
  }
  EXPECT_EQ(*ActiveTrace(), before);
}

TEST(SharedSpanTest, WithoutTracesOrAFileNothingIsRecorded) {
  const TempDir dir;
  SpanFile file(dir.path(), "actor");
  {
    const SharedSpan nobodys(&file, "score", {});
    EXPECT_EQ(ActiveTrace(), nullptr);
    const SharedSpan off(nullptr, "score", {TraceOf("a", 1)});
    EXPECT_EQ(ActiveTrace(), nullptr);
  }
  EXPECT_THAT(ListDirectory(dir.path()), IsEmpty());
}

}  // namespace
}  // namespace rlhf
