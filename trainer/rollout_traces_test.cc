#include "trainer/rollout_traces.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/spans.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

v1::RunConfig Tracing(double share) {
  v1::RunConfig config;
  config.set_name("run");
  config.mutable_tracing()->set_rollout_share(share);
  return config;
}

v1::PromptLease Lease(const std::string& rollout_id, int attempt) {
  v1::PromptLease lease;
  lease.set_rollout_id(rollout_id);
  lease.set_attempt(attempt);
  lease.set_pm_version(3);
  return lease;
}

v1::Rollout Rollout(const std::string& rollout_id, int attempt) {
  v1::Rollout rollout;
  rollout.set_rollout_id(rollout_id);
  rollout.set_attempt(attempt);
  return rollout;
}

class RolloutTracesTest : public testing::Test {
 protected:
  std::vector<Json> Spans() const { return ReadSpans(dir_ / "learner.jsonl"); }

  TempDir dir_;
  SpanFile file_{dir_.path(), "learner"};
};

TEST_F(RolloutTracesTest, WhatHappensToARolloutIsBelowItsLease) {
  RolloutTraces traces(Tracing(1), &file_);
  v1::PromptLease lease = Lease("000002/001", 2);
  traces.Leased("actor-7", lease);
  v1::RolloutAck ack;
  ack.set_status(v1::RolloutAck::ACCEPTED);
  traces.Admitted(Rollout("000002/001", 2), ack, MonotonicNow());
  Batch batch;
  batch.rollouts = {Rollout("000002/001", 2)};
  traces.Begin(batch);
  v1::UpdateReport report;
  report.set_update(2);
  traces.End(report);

  const auto context = ParseTraceparent(lease.traceparent());
  ASSERT_TRUE(context.has_value());
  const std::vector<Json> spans = Spans();
  ASSERT_THAT(spans, SizeIs(3));
  EXPECT_EQ(spans[0]["name"], "lease");
  EXPECT_EQ(spans[0]["spanId"], context->span_id);
  EXPECT_EQ(spans[0]["parentSpanId"], "");
  EXPECT_EQ(AttributeOf(spans[0], "actor_id"), "actor-7");
  EXPECT_EQ(spans[1]["name"], "admission");
  EXPECT_EQ(AttributeOf(spans[1], "answer"), "ACCEPTED");
  EXPECT_EQ(spans[2]["name"], "update 2");
  for (const Json& span : spans) {
    EXPECT_EQ(span["traceId"], context->trace_id);
    EXPECT_EQ(AttributeOf(span, "rollout_id"), "000002/001");
  }
  EXPECT_EQ(spans[1]["parentSpanId"], context->span_id);
  EXPECT_EQ(spans[2]["parentSpanId"], context->span_id);
}

TEST_F(RolloutTracesTest, AnUpdateIsToldOnceEvenIfItIsLeftOut) {
  RolloutTraces traces(Tracing(1), &file_);
  Batch batch;
  batch.rollouts = {Rollout("a", 1)};
  traces.Begin(batch);
  v1::UpdateReport report;
  report.set_left_out("it diverged");
  traces.End(report);
  traces.End(report);
  const std::vector<Json> spans = Spans();
  ASSERT_THAT(spans, SizeIs(1));
  EXPECT_EQ(AttributeOf(spans[0], "left_out"), "it diverged");
}

TEST_F(RolloutTracesTest, AnotherAttemptIsAnotherSpanOfTheSameTrace) {
  RolloutTraces traces(Tracing(1), &file_);
  v1::PromptLease first = Lease("a", 1), second = Lease("a", 2);
  traces.Leased("x", first);
  traces.Leased("y", second);
  const auto one = *ParseTraceparent(first.traceparent());
  const auto two = *ParseTraceparent(second.traceparent());
  EXPECT_EQ(one.trace_id, two.trace_id);
  EXPECT_NE(one.span_id, two.span_id);
}

TEST_F(RolloutTracesTest, AShareIsTracedAndTheSameAfterARestart) {
  std::vector<std::set<std::string>> traced(2);
  for (std::set<std::string>& ids : traced) {
    RolloutTraces traces(Tracing(0.25), &file_);
    for (int i = 0; i < 1000; ++i) {
      v1::PromptLease lease = Lease(absl::StrCat("000001/", i), 1);
      traces.Leased("x", lease);
      if (!lease.traceparent().empty()) ids.insert(lease.rollout_id());
    }
  }
  EXPECT_EQ(traced[0], traced[1]);
  EXPECT_NEAR(static_cast<double>(traced[0].size()), 250, 60);
}

TEST_F(RolloutTracesTest, ARunThatTracesNothingWritesNothing) {
  RolloutTraces traces(Tracing(1), nullptr);
  v1::PromptLease lease = Lease("a", 1);
  traces.Leased("x", lease);
  traces.Admitted(Rollout("a", 1), {}, MonotonicNow());
  EXPECT_EQ(lease.traceparent(), "");
  EXPECT_THAT(Spans(), IsEmpty());
}

}  // namespace
}  // namespace rlhf
