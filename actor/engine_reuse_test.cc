// What a request leaves behind in the engine that answered it: nothing.
#include <cmath>
#include <map>

#include "actor/actor_fixtures.h"
#include "actor/generation_engine.h"
#include "actor/policy_runner.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/resident_memory.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using Ids = std::vector<int32_t>;
using OldCache = GenerationEngine::OldCache;

// Of 1 to 19 tokens, so that they leave most of a row to the longest.
std::vector<EngineRequest> Requests() {
  std::vector<EngineRequest> requests;
  for (uint64_t i = 0; i < 7; ++i) {
    requests.push_back({.id = 10 + i,
                        .prompt_ids = Ids(1 + 3 * i, static_cast<int>(9 + i)),
                        .stream = 1000 + i,
                        .max_new_tokens = static_cast<int>(5 + 3 * (i % 4))});
  }
  return requests;
}

std::map<uint64_t, EngineResult> RunAll(GenerationEngine& engine) {
  for (const EngineRequest& request : Requests())
    EXPECT_OK(engine.Add(request));
  return Drain(engine);
}

// A policy as actors have it, packed or not.
std::shared_ptr<const Transformer> Policy(uint64_t seed, bool packed) {
  return packed ? ForGeneration(MakeTinyModel(seed)) : TinyPolicy(seed);
}

// One whose update diverged.
std::shared_ptr<const Transformer> BrokenPolicy(bool packed, float number) {
  Transformer model = MakeTinyModel(1);
  for (const NamedTensor& weight : model.parameters()) {
    if (weight.name == "model.embed_tokens.weight") weight.tensor.fill_(number);
  }
  return packed ? ForGeneration(std::move(model))
                : std::make_shared<const Transformer>(std::move(model));
}

class BadWeightsTest : public testing::TestWithParam<bool> {
 protected:
  // What an engine gives that has seen good weights only.
  static void ExpectGood(const std::map<uint64_t, EngineResult>& results) {
    GenerationEngine fresh(Policy(2, GetParam()), {.max_batch = 3});
    for (const auto& [id, expected] : RunAll(fresh)) {
      const EngineResult& result = results.at(id);
      EXPECT_EQ(result.token_ids, expected.token_ids) << id;
      ASSERT_EQ(result.logprobs.size(), expected.logprobs.size());
      for (size_t i = 0; i < expected.logprobs.size(); ++i) {
        EXPECT_NEAR(result.logprobs[i], expected.logprobs[i], 1e-4) << id;
      }
    }
  }
};

TEST_P(BadWeightsTest, LeaveNoTraceForGoodOnes) {
  for (const float number : {NAN, INFINITY}) {
    for (const auto old_cache : {OldCache::kKeep, OldCache::kRecompute}) {
      GenerationEngine engine(BrokenPolicy(GetParam(), number),
                              {.max_batch = 3});
      for (const auto& [id, result] : RunAll(engine)) {
        ASSERT_TRUE(std::isnan(result.logprobs.front())) << id;
      }
      engine.SetModel(Policy(2, GetParam()), 1, old_cache);
      ExpectGood(RunAll(engine));
    }
  }
}

TEST_P(BadWeightsTest, AreNotHeardByNeighboursThatGoodOnesBegan) {
  GenerationEngine engine(BrokenPolicy(GetParam(), NAN), {.max_batch = 3});
  ASSERT_OK(engine.Add(
      {.id = 1, .prompt_ids = Ids(40, 9), .stream = 1, .max_new_tokens = 4}));
  ASSERT_OK(engine.Add(
      {.id = 2, .prompt_ids = Ids(30, 7), .stream = 2, .max_new_tokens = 60}));
  do {
    ASSERT_OK(engine.Step());
  } while (engine.Find(1) != nullptr);
  ASSERT_NE(engine.Find(2), nullptr);
  engine.SetModel(Policy(2, GetParam()), 1, OldCache::kKeep);
  const auto results = RunAll(engine);
  ExpectGood(results);
  EXPECT_TRUE(std::isnan(results.at(2).logprobs.back()))
      << "its cache is kept, or this shows nothing";
}

TEST_P(BadWeightsTest, AreForgottenByTheSequencesThatAreComputedAnew) {
  GenerationEngine engine(BrokenPolicy(GetParam(), NAN), {.max_batch = 3});
  for (const EngineRequest& request : Requests()) {
    ASSERT_OK(engine.Add(request));
  }
  for (int step = 0; step < 3; ++step) ASSERT_OK(engine.Step());
  engine.SetModel(Policy(2, GetParam()), 1, OldCache::kRecompute);
  for (const auto& [id, result] : Drain(engine)) {
    EXPECT_FALSE(std::isnan(result.logprobs.back())) << id;
  }
}

INSTANTIATE_TEST_SUITE_P(PlainAndPacked, BadWeightsTest, testing::Bool());

// A small request of number `i`, of several kinds.
EngineRequest TinyRequest(uint64_t i) {
  EngineRequest request = {.prompt_ids = Ids(1 + i % 5, 5 + i % 400),
                           .stream = i,
                           .max_new_tokens = static_cast<int>(1 + i % 3)};
  // Longer than a prefill.
  if (i % 16 == 0) request.prompt_ids.resize(20, 7);
  if (i % 4 == 0) request.truncation.top_k = 8;
  if (i % 64 == 0) request.deadline = absl::InfinitePast();
  return request;
}

// Hands `count` requests to the runner, one in 32 of which is cancelled, and
// steps until all are done.
void Serve(PolicyRunner& runner, uint64_t count) {
  uint64_t num_added = 0, num_done = 0, num_cancelled = 0;
  while (num_done + num_cancelled < count) {
    while (runner.room() > 0 && num_added < count) {
      const absl::StatusOr<uint64_t> id =
          runner.Add(TinyRequest(num_added), [&num_done](const auto& result) {
            EXPECT_OK(result);
            ++num_done;
          });
      ASSERT_OK(id);
      if (num_added++ % 32 == 5) {
        runner.Cancel(*id);
        ++num_cancelled;
      }
    }
    ASSERT_OK(runner.Step());
  }
}

TEST(EngineMemoryTest, TenThousandRequestsLeaveNoMemoryBehind) {
  if (FreedMemoryStays()) GTEST_SKIP() << "a sanitizer keeps freed memory";
  TestMetrics metrics;
  PolicyRunner runner(
      {.max_batch = 32, .max_prefill_tokens = 16, .max_cache_tokens = 1024},
      &metrics.series);
  ASSERT_OK(runner.Offer({.version = 1, .model = TinyPolicy(1)}));
  Serve(runner, 2000);
  const int64_t before = ResidentBytes();
  Serve(runner, 8000);
  // A kilobyte of each would be eight.
  EXPECT_LT(ResidentBytes() - before, 4 << 20);
}

}  // namespace
}  // namespace rlhf
