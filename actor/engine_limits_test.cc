// How the generation engine keeps to its limits: prompts in chunks, and the
// memory for keys and values.
#include <algorithm>
#include <map>

#include "actor/actor_fixtures.h"
#include "actor/generation_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::IsNull;
using testing::NotNull;

using Ids = std::vector<int32_t>;

Ids PromptOf(int length, int first) {
  Ids ids;
  for (int i = 0; i < length; ++i) ids.push_back((first + 37 * i) % 500);
  return ids;
}

EngineRequest Request(uint64_t id, int prompt_length, int max_new_tokens) {
  return {.id = id,
          .prompt_ids = PromptOf(prompt_length, static_cast<int>(7 * id)),
          .stream = 1000 + id,
          .max_new_tokens = max_new_tokens};
}

void ExpectSame(const EngineResult& actual, const EngineResult& expected) {
  EXPECT_EQ(actual.token_ids, expected.token_ids) << "request " << expected.id;
  ASSERT_EQ(actual.logprobs.size(), expected.logprobs.size());
  for (size_t i = 0; i < expected.logprobs.size(); ++i) {
    EXPECT_NEAR(actual.logprobs[i], expected.logprobs[i], 1e-4);
  }
}

TEST(EngineLimitsTest, ChunkedPromptsGiveWhatWholeOnesGive) {
  const auto model = TinyPolicy(1);
  const int lengths[] = {3, 40, 17, 1, 33, 16, 70};
  for (const int64_t chunk : {1, 5, 16, 17, 64}) {
    GenerationEngine engine(model,
                            {.max_batch = 3, .max_prefill_tokens = chunk});
    for (uint64_t id = 0; id < 7; ++id) {
      ASSERT_OK(engine.Add(Request(id, lengths[id], 6)));
    }
    const auto results = Drain(engine);
    for (uint64_t id = 0; id < 7; ++id) {
      ExpectSame(results.at(id),
                 SampleAlone(model, Request(id, lengths[id], 6)));
    }
  }
}

TEST(EngineLimitsTest, WhoIsDecodingGetsATokenAtEveryStepOfALongPrompt) {
  GenerationEngine engine(TinyPolicy(1),
                          {.max_batch = 4, .max_prefill_tokens = 8});
  ASSERT_OK(engine.Add(Request(1, 4, 50)));
  ASSERT_OK(engine.Step());
  ASSERT_OK(engine.Add(Request(2, 40, 5)));
  for (size_t step = 1; step <= 5; ++step) {
    EXPECT_THAT(engine.Find(2), IsNull());
    ASSERT_OK(engine.Step());
    ASSERT_THAT(engine.Find(1), NotNull());
    EXPECT_EQ(engine.Find(1)->token_ids.size(), 1 + step);
  }
  // Five chunks of eight: the first token comes with the last of them.
  ASSERT_THAT(engine.Find(2), NotNull());
  EXPECT_EQ(engine.Find(2)->token_ids.size(), 1u);
}

TEST(EngineLimitsTest, SamplesOfALongPromptShareItsChunks) {
  const auto model = TinyPolicy(1);
  GenerationEngine engine(model, {.max_batch = 2, .max_prefill_tokens = 8});
  std::vector<EngineRequest> requests;
  for (uint64_t id = 0; id < 5; ++id) {
    requests.push_back(Request(id, 24, 4));
    requests.back().prompt_ids = PromptOf(24, 9);
    ASSERT_OK(engine.Add(requests.back()));
  }
  ASSERT_OK(engine.Step());
  ASSERT_OK(engine.Step());
  EXPECT_EQ(engine.num_running(), 0);
  ASSERT_OK(engine.Step());
  EXPECT_EQ(engine.num_running(), 2);
  int num_steps = 3;
  std::map<uint64_t, EngineResult> results;
  while (!engine.idle()) {
    ASSERT_OK_AND_ASSIGN(auto finished, engine.Step());
    ++num_steps;
    for (EngineResult& result : finished) results[result.id] = result;
  }
  // Two, two and one, four tokens each, and the prompt is never taken again:
  // the place of a finished sequence is filled at the next step.
  EXPECT_EQ(num_steps, 2 + 3 * 4);
  for (const EngineRequest& request : requests) {
    ExpectSame(results.at(request.id), SampleAlone(model, request));
  }
}

TEST(EngineLimitsTest, AnAbandonedLongPromptLeavesNoTrace) {
  const auto model = TinyPolicy(1);
  GenerationEngine engine(model, {.max_batch = 2, .max_prefill_tokens = 8});
  ASSERT_OK(engine.Add(Request(1, 30, 4)));
  ASSERT_OK(engine.Add(Request(2, 20, 4)));
  ASSERT_OK(engine.Step());
  EXPECT_TRUE(engine.Cancel(1));
  ExpectSame(Drain(engine).at(2), SampleAlone(model, Request(2, 20, 4)));
}

TEST(EngineLimitsTest, NeverMoreIsCachedThanTheLimitAndOldestGoFirst) {
  const auto model = TinyPolicy(1);
  const std::pair<int, int> sizes[] = {{10, 10}, {20, 30}, {150, 50}, {5, 5},
                                       {60, 4},  {3, 9},   {100, 99}, {7, 7}};
  GenerationEngine engine(model, {.max_batch = 8, .max_cache_tokens = 200});
  for (uint64_t id = 0; id < 8; ++id) {
    ASSERT_OK(engine.Add(Request(id, sizes[id].first, sizes[id].second)));
  }
  std::map<uint64_t, EngineResult> results;
  uint64_t num_started = 0;
  int most_running = 0;
  while (!engine.idle()) {
    ASSERT_OK_AND_ASSIGN(auto finished, engine.Step());
    for (EngineResult& result : finished) results[result.id] = result;
    int64_t longest = 0, running = 0;
    for (uint64_t id = 0; id < 8; ++id) {
      if (engine.Find(id) == nullptr) continue;
      // Each is seen running, as none has fewer than two tokens.
      num_started = std::max(num_started, id + 1);
      ++running;
      longest = std::max<int64_t>(longest, sizes[id].first + sizes[id].second);
    }
    EXPECT_LE(running * longest, 200);
    EXPECT_EQ(engine.num_waiting(), 8 - static_cast<int>(num_started));
    most_running = std::max(most_running, engine.num_running());
  }
  EXPECT_GE(most_running, 2);
  for (uint64_t id = 0; id < 8; ++id) {
    ExpectSame(results.at(id), SampleAlone(model, Request(id, sizes[id].first,
                                                          sizes[id].second)));
  }
}

TEST(EngineLimitsTest, ASequenceCanBeCancelledAfterTheCacheWasCutAnew) {
  const auto model = TinyPolicy(1);
  GenerationEngine engine(model, {.max_batch = 4, .max_cache_tokens = 256});
  for (uint64_t id = 1; id <= 3; ++id) {
    ASSERT_OK(engine.Add(Request(id, 20, 30)));
  }
  ASSERT_OK(engine.Step());
  ASSERT_EQ(engine.num_running(), 3);
  EXPECT_TRUE(engine.Cancel(1));  // the last one takes its row
  EXPECT_TRUE(engine.Cancel(2));
  ExpectSame(Drain(engine).at(3), SampleAlone(model, Request(3, 20, 30)));
}

TEST(EngineLimitsTest, LongPromptsAndASmallCacheGoTogether) {
  const auto model = TinyPolicy(1);
  GenerationEngine engine(
      model,
      {.max_batch = 8, .max_prefill_tokens = 16, .max_cache_tokens = 128});
  const int lengths[] = {5, 90, 10, 30, 100};
  for (uint64_t id = 0; id < 5; ++id) {
    ASSERT_OK(engine.Add(Request(id, lengths[id], 8)));
  }
  const auto results = Drain(engine);
  for (uint64_t id = 0; id < 5; ++id) {
    ExpectSame(results.at(id), SampleAlone(model, Request(id, lengths[id], 8)));
  }
}

TEST(EngineLimitsTest, WhatCanNeverFitIsRefusedWithItsNumbers) {
  GenerationEngine engine(TinyPolicy(1), {.max_cache_tokens = 100});
  EXPECT_THAT(engine.Add(Request(1, 90, 11)),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("a prompt of 90 tokens and 11 new ones need "
                                 "101 tokens of cache; it has 100 in all")));
  EXPECT_OK(engine.Add(Request(2, 90, 10)));
  EXPECT_EQ(Drain(engine).at(2).token_ids.size(), 10u);
}

}  // namespace
}  // namespace rlhf
