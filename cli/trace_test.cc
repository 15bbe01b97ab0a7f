#include "cli/trace.h"

#include "core/base/file.h"
#include "core/telemetry/shared_span.h"
#include "core/telemetry/span_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// `seconds` after the others, for as long again.
Span SpanAt(int seconds, const std::string& name, const TraceContext& context) {
  const absl::Time start = absl::FromUnixSeconds(1'764'000'000 + seconds);
  return {.context = context,
          .name = name,
          .start = start,
          .end = start + absl::Seconds(seconds)};
}

// Rollouts "a" and "b" are scored together, with one call, of which "a" has the
// span; "c" has nothing to do with them.
class TraceTest : public testing::Test {
 protected:
  void SetUp() override {
    SpanFile learner(dir_.path(), "learner"), actor(dir_.path(), "actor");
    for (const std::string id : {"a", "b", "c"}) {
      Span lease = SpanAt(0, "lease", TraceOf(id, 1));
      lease.attributes = {{"rollout_id", id}, {"attempt", 1}};
      learner.Add(lease);
    }
    const TraceContext of_a = NewSpanIn(TraceOf("a", 1));
    actor.Add(SpanAt(2, "score", of_a));
    Span of_b = SpanAt(2, "score", NewSpanIn(TraceOf("b", 1)));
    of_b.links = {of_a};
    of_b.status = absl::UnavailableError("nobody there");
    actor.Add(of_b);
    Span call = SpanAt(3, "Score", NewSpanIn(of_a));
    call.parent_span_id = of_a.span_id;
    SpanFile(dir_.path(), "reward-server").Add(call);
    learner.Add(SpanAt(5, "update 1", NewSpanIn(TraceOf("b", 1))));
  }

  TempDir dir_;
};

TEST_F(TraceTest, ARolloutIsToldInOrderWithTheCallsMadeForIt) {
  ASSERT_OK_AND_ASSIGN(const auto spans, ReadTraces(dir_.path()));
  ASSERT_OK_AND_ASSIGN(const auto lines, DescribeTrace(spans, "b"));
  EXPECT_THAT(
      lines,
      ElementsAre(
          "   +0.000 s     0.000 s  learner        lease  rollout_id=b "
          "attempt=1",
          "   +2.000 s     2.000 s  actor          score  failed: nobody there",
          "   +3.000 s     3.000 s  reward-server  Score",
          "   +5.000 s     5.000 s  learner        update 1"));
}

TEST_F(TraceTest, WhatWasNotTracedIsNotFound) {
  ASSERT_OK_AND_ASSIGN(const auto spans, ReadTraces(dir_.path()));
  EXPECT_THAT(DescribeTrace(spans, "d").status(),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("rollout d"),
                             HasSubstr("tracing.rollout_share"))));
}

TEST_F(TraceTest, LinesThatAreNoSpansArePassedOver) {
  ASSERT_OK(WriteFileAtomically(
      dir_ / "broken.jsonl",
      "{\"resourceSp\n[]\n{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[3,"
      "{},{\"attributes\":[{\"key\":\"rollout_id\"},7]}]}]}]}\n"));
  ASSERT_OK_AND_ASSIGN(const auto spans, ReadTraces(dir_.path()));
  EXPECT_OK(DescribeTrace(spans, "a").status());
}

TEST(ReadTracesTest, ARunWithoutTracesHasNone) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto spans, ReadTraces(dir / "traces"));
  EXPECT_THAT(spans, IsEmpty());
}

}  // namespace
}  // namespace rlhf
