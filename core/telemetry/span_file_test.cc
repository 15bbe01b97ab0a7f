#include "core/telemetry/span_file.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Span Named(const std::string& name) {
  return {.context = TraceOf(name, 1), .name = name};
}

TEST(SpanFileTest, HasALineForEachSpanOfEachThread) {
  const TempDir dir;
  SpanFile file(dir / "traces", "actor");
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&file] {
        for (int i = 0; i < 50; ++i) file.Add(Named("x"));
      });
    }
  }
  const std::string text = *ReadFile(dir / "traces/actor.jsonl");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 200);
}

// A line is about 400 bytes.
TEST(SpanFileTest, WhatIsOldestGoesOnceItIsFull) {
  const TempDir dir;
  SpanFile file(dir.path(), "actor", /*max_bytes=*/1000);
  for (int i = 0; i < 100; ++i) file.Add(Named("early"));
  for (int i = 0; i < 10; ++i) file.Add(Named("late"));
  EXPECT_THAT(ListDirectory(dir.path()),
              ElementsAre("actor.1.jsonl", "actor.jsonl"));
  const std::string older = *ReadFile(dir / "actor.1.jsonl");
  const std::string newer = *ReadFile(dir / "actor.jsonl");
  EXPECT_LT(older.size(), 2000u);
  EXPECT_LT(newer.size(), 2000u);
  EXPECT_THAT(older + newer, Not(HasSubstr("early")));
  EXPECT_THAT(newer, HasSubstr("late"));
}

TEST(SpanFileTest, ASpanThatCannotBeWrittenHarmsNobody) {
  const TempDir dir;
  ASSERT_TRUE(WriteFileAtomically(dir / "file", "").ok());
  SpanFile file(dir / "file", "actor");
  file.Add(Named("x"));
  file.Add(Named("x"));
  EXPECT_EQ(*ReadFile(dir / "file"), "");
}

TEST(OpenSpansTest, ARunThatTracesNothingHasNoFile) {
  const TempDir dir;
  v1::RunConfig config;
  config.set_runs_dir(dir.path());
  config.set_name("r");
  EXPECT_EQ(OpenSpans(config, "actor"), nullptr);
  config.mutable_tracing()->set_rollout_share(0.5);
  const auto spans = OpenSpans(config, "actor");
  ASSERT_NE(spans, nullptr);
  spans->Add(Named("x"));
  EXPECT_THAT(ListDirectory(dir / "r/traces"), ElementsAre("actor.jsonl"));
}

}  // namespace
}  // namespace rlhf
