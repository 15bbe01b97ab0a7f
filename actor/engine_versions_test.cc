// A new version of the model under running sequences.
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <map>

#include "actor/actor_fixtures.h"
#include "actor/generation_engine.h"
#include "core/nn/packed_batch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

using Ids = std::vector<int32_t>;
using OldCache = GenerationEngine::OldCache;

EngineRequest Request(uint64_t id, Ids prompt, int max_new_tokens = 9) {
  return {.id = id,
          .prompt_ids = std::move(prompt),
          .stream = 50 + id,
          .max_new_tokens = max_new_tokens,
          .temperature = 0};
}

std::vector<EngineRequest> Requests() {
  return {Request(1, {9, 81, 17, 33, 6}), Request(2, {9, 81, 17, 33, 7, 8}),
          Request(3, {400})};
}

// The greedy continuation and its log-probabilities, by passes over a cache in
// which `first` is used for the prompt and the first `count` tokens, and
// `second` for what follows.
EngineResult Continue(const Transformer& first, const Transformer& second,
                      const EngineRequest& request, int count) {
  const c10::InferenceMode no_autograd;
  KvCache cache(first.config(), 1, 256, at::kFloat);
  cache.AddRow();
  EngineResult result;
  at::Tensor logit_1V = first.Logits(
      first.Prefill(Pack({request.prompt_ids}, at::kCPU), {0}, cache));
  for (int i = 0; i < request.max_new_tokens; ++i) {
    if (i > 0) {
      const Transformer& model = i < count ? first : second;
      logit_1V = model.Logits(
          model.Decode(at::tensor({int64_t{result.token_ids.back()}}), cache));
    }
    result.token_ids.push_back(
        static_cast<int32_t>(logit_1V.argmax().item<int64_t>()));
    result.logprobs.push_back(logit_1V.log_softmax(-1).max().item<float>());
  }
  return result;
}

// Three steps of `first`, the others of `second`.
std::map<uint64_t, EngineResult> SampleWithSwap(
    std::shared_ptr<const Transformer> first,
    std::shared_ptr<const Transformer> second, OldCache old_cache,
    int64_t max_prefill_tokens = 2048) {
  GenerationEngine engine(std::move(first),
                          {.max_prefill_tokens = max_prefill_tokens});
  for (const EngineRequest& request : Requests()) {
    EXPECT_OK(engine.Add(request));
  }
  int num_steps = 0;
  while (engine.num_running() == 0 || engine.Find(1) == nullptr ||
         engine.Find(1)->token_ids.size() < 3) {
    EXPECT_OK(engine.Step());
    if (++num_steps > 20) break;
  }
  engine.SetModel(std::move(second), 7, old_cache);
  return Drain(engine);
}

void ExpectSame(const EngineResult& actual, const EngineResult& expected,
                size_t begin) {
  ASSERT_EQ(actual.token_ids.size(), expected.token_ids.size());
  for (size_t i = begin; i < expected.token_ids.size(); ++i) {
    EXPECT_EQ(actual.token_ids[i], expected.token_ids[i]) << i;
    EXPECT_NEAR(actual.logprobs[i], expected.logprobs[i], 1e-4) << i;
  }
}

TEST(EngineVersionsTest, EveryTokenSaysWhichVersionDrewIt) {
  GenerationEngine engine(TinyPolicy(1), {.max_batch = 1});
  engine.SetModel(TinyPolicy(1), 4);
  ASSERT_OK(engine.Add(Request(1, {9, 81}, 6)));
  ASSERT_OK(engine.Add(Request(2, {5}, 2)));
  for (int i = 0; i < 2; ++i) ASSERT_OK(engine.Step());
  engine.SetModel(TinyPolicy(2), 5);
  ASSERT_OK(engine.Step());
  engine.SetModel(TinyPolicy(3), 6, OldCache::kRecompute);
  const auto results = Drain(engine);
  EXPECT_THAT(
      results.at(1).versions,
      ElementsAre(VersionRun{4, 2}, VersionRun{5, 1}, VersionRun{6, 3}));
  EXPECT_THAT(results.at(2).versions, ElementsAre(VersionRun{6, 2}));
}

TEST(EngineVersionsTest, AKeptCacheIsThatOfTheOldVersion) {
  const auto first = TinyPolicy(1), second = TinyPolicy(2);
  const auto results = SampleWithSwap(first, second, OldCache::kKeep);
  for (const EngineRequest& request : Requests()) {
    ExpectSame(results.at(request.id), Continue(*first, *second, request, 3),
               0);
  }
}

TEST(EngineVersionsTest, ARecomputedCacheIsThatOfTheNewVersion) {
  const auto first = TinyPolicy(1), second = TinyPolicy(2);
  const auto results = SampleWithSwap(first, second, OldCache::kRecompute);
  for (const EngineRequest& request : Requests()) {
    const EngineResult& result = results.at(request.id);
    // As if the new version had been given what the old one said.
    EngineRequest longer = request;
    longer.prompt_ids.insert(longer.prompt_ids.end(), result.token_ids.begin(),
                             result.token_ids.begin() + 3);
    longer.max_new_tokens -= 3;
    EngineResult expected = Continue(*second, *second, longer, 0);
    expected.token_ids.insert(expected.token_ids.begin(),
                              result.token_ids.begin(),
                              result.token_ids.begin() + 3);
    expected.logprobs.insert(expected.logprobs.begin(), 3, 0.0F);
    ExpectSame(result, expected, 3);
    ExpectSame(SampleAlone(first, request),
               Continue(*first, *first, request, 9), 0);
  }
}

TEST(EngineVersionsTest, RecomputingInChunksGivesTheSame) {
  const auto first = TinyPolicy(1), second = TinyPolicy(2);
  const auto whole = SampleWithSwap(first, second, OldCache::kRecompute);
  for (const int64_t chunk : {6, 7, 9, 12}) {
    const auto chunked =
        SampleWithSwap(first, second, OldCache::kRecompute, chunk);
    ASSERT_THAT(chunked, SizeIs(3));
    // The others may start later, and see the new version earlier.
    ExpectSame(chunked.at(1), whole.at(1), 0);
  }
}

TEST(EngineVersionsTest, APromptThatIsHalfTakenIsOfTheNewVersionOnly) {
  const auto first = TinyPolicy(1), second = TinyPolicy(2);
  GenerationEngine engine(first, {.max_prefill_tokens = 4});
  const EngineRequest request =
      Request(1, {9, 81, 17, 33, 7, 8, 100, 200, 300, 400});
  ASSERT_OK(engine.Add(request));
  ASSERT_OK(engine.Step());
  engine.SetModel(second, 1, OldCache::kKeep);
  const EngineResult result = Drain(engine).at(1);
  ExpectSame(result, SampleAlone(second, request), 0);
  EXPECT_THAT(result.versions, ElementsAre(VersionRun{1, 9}));
}

TEST(EngineVersionsTest, APromptThatIsKeptForItsSamplesIsTakenAnew) {
  const auto first = TinyPolicy(1), second = TinyPolicy(2);
  GenerationEngine engine(first, {.max_batch = 1, .max_prefill_tokens = 4});
  const Ids prompt = {9, 81, 17, 33, 7, 8, 100};
  ASSERT_OK(engine.Add(Request(1, prompt, 2)));
  ASSERT_OK(engine.Add(Request(2, prompt, 2)));
  while (engine.num_waiting() > 1) ASSERT_OK(engine.Step());
  engine.SetModel(second, 1, OldCache::kKeep);
  ExpectSame(Drain(engine).at(2), SampleAlone(second, Request(2, prompt, 2)),
             0);
}

TEST(VersionsBetweenTest, CutsRuns) {
  const std::vector<VersionRun> runs = {{4, 3}, {5, 1}, {6, 4}};
  EXPECT_THAT(
      VersionsBetween(runs, 0, 8),
      ElementsAre(VersionRun{4, 3}, VersionRun{5, 1}, VersionRun{6, 4}));
  EXPECT_THAT(
      VersionsBetween(runs, 2, 5),
      ElementsAre(VersionRun{4, 1}, VersionRun{5, 1}, VersionRun{6, 1}));
  EXPECT_THAT(VersionsBetween(runs, 4, 4), SizeIs(0));
}

}  // namespace
}  // namespace rlhf
