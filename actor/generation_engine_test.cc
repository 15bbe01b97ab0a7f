#include "actor/generation_engine.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <map>

#include "actor/actor_fixtures.h"
#include "core/nn/packed_batch.h"
#include "core/nn/token_logprob.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::SizeIs;

using Ids = std::vector<int32_t>;

// Seven prompts of 1 to 13 tokens; the last equals the first.
std::vector<Ids> Prompts() {
  return {{9, 81, 17},
          {400},
          {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17},
          {33, 34},
          {500, 499, 3, 77, 78},
          {100, 200, 300, 400},
          {9, 81, 17}};
}

// One request per prompt, of various lengths, every third one greedy.
std::vector<EngineRequest> Requests() {
  std::vector<EngineRequest> requests;
  for (const Ids& prompt : Prompts()) {
    const size_t i = requests.size();
    requests.push_back({.id = 10 + i,
                        .prompt_ids = prompt,
                        .stream = 1000 + i,
                        .max_new_tokens = static_cast<int>(5 + 3 * (i % 4)),
                        .temperature = i % 3 == 2 ? 0.0 : 1.0});
  }
  return requests;
}

// The result of each request, by id.
std::map<uint64_t, EngineResult> RunAll(
    GenerationEngine& engine, const std::vector<EngineRequest>& requests) {
  for (const EngineRequest& request : requests) EXPECT_OK(engine.Add(request));
  std::map<uint64_t, EngineResult> done;
  while (!engine.idle()) {
    auto results = engine.Step();
    EXPECT_OK(results);
    if (!results.ok()) break;
    for (EngineResult& result : *results) {
      const uint64_t id = result.id;
      EXPECT_TRUE(done.emplace(id, std::move(result)).second);
    }
  }
  return done;
}

void ExpectSame(const std::map<uint64_t, EngineResult>& actual,
                const std::map<uint64_t, EngineResult>& expected) {
  ASSERT_THAT(actual, SizeIs(expected.size()));
  for (const auto& [id, result] : expected) {
    const EngineResult& other = actual.at(id);
    EXPECT_EQ(other.token_ids, result.token_ids) << "request " << id;
    EXPECT_EQ(other.finish_reason, result.finish_reason);
    for (size_t i = 0; i < result.logprobs.size(); ++i) {
      EXPECT_NEAR(other.logprobs[i], result.logprobs[i], 1e-4);
    }
  }
}

// The continuation by argmax, each token from a full forward pass.
Ids PlainGreedy(const Transformer& model, Ids ids, int count) {
  const c10::InferenceMode no_autograd;
  Ids continuation;
  for (int i = 0; i < count; ++i) {
    const auto hidden_TD = model.Forward(Pack({ids}, model.device()));
    const auto logit_V = model.Logits(hidden_TD.narrow(0, -1, 1)).flatten();
    continuation.push_back(
        static_cast<int32_t>(logit_V.argmax().item<int64_t>()));
    ids.push_back(continuation.back());
  }
  return continuation;
}

TEST(GenerationEngineTest, GreedyIsTheArgmaxOfFullForwardPasses) {
  const auto model = TinyPolicy(1);
  GenerationEngine engine(model, {.max_batch = 3});
  std::vector<EngineRequest> requests = Requests();
  for (EngineRequest& request : requests) request.temperature = 0;
  const auto results = RunAll(engine, requests);
  for (const EngineRequest& request : requests) {
    EXPECT_EQ(results.at(request.id).token_ids,
              PlainGreedy(*model, request.prompt_ids, request.max_new_tokens));
  }
}

TEST(GenerationEngineTest, AResultDoesNotDependOnWhatSharesItsBatch) {
  const auto model = TinyPolicy(1);
  std::map<uint64_t, EngineResult> alone;
  for (const EngineRequest& request : Requests()) {
    GenerationEngine engine(model, {.max_batch = 1});
    alone.merge(RunAll(engine, {request}));
  }
  for (const int max_batch : {1, 2, 7, 20}) {
    GenerationEngine engine(model, {.max_batch = max_batch});
    ExpectSame(RunAll(engine, Requests()), alone);
  }
  // Prefills that hold one prompt at a time.
  GenerationEngine engine(model, {.max_batch = 7, .max_prefill_tokens = 4});
  ExpectSame(RunAll(engine, Requests()), alone);
}

TEST(GenerationEngineTest, InBfloat16LogprobsAreThoseOfItsOwnPasses) {
  const auto model =
      std::make_shared<const Transformer>(TinyPolicy(1)->Cast(at::kBFloat16));
  GenerationEngine engine(model, {.max_batch = 3});
  const c10::InferenceMode no_autograd;
  for (const auto& [id, result] : RunAll(engine, Requests())) {
    Ids ids = Requests()[id - 10].prompt_ids;
    const auto first = static_cast<int64_t>(ids.size()) - 1;
    ids.insert(ids.end(), result.token_ids.begin(), result.token_ids.end());
    const auto count = static_cast<int64_t>(result.token_ids.size());
    const auto hidden =
        model->Forward(Pack({ids}, at::kCPU)).narrow(0, first, count);
    const std::vector<int64_t> targets(result.token_ids.begin(),
                                       result.token_ids.end());
    const auto expected =
        ComputeTokenLogprobs(*model, hidden, at::tensor(targets), 1).logprob_N;
    for (int64_t t = 0; t < count; ++t) {
      // bfloat16 has eight bits.
      EXPECT_NEAR(result.logprobs[t], expected[t].item<float>(), 0.1);
    }
  }
}

TEST(GenerationEngineTest, StreamsOfOnePromptDiffer) {
  const auto model = TinyPolicy(1);
  GenerationEngine engine(model, {});
  const EngineRequest a{
      .id = 1, .prompt_ids = {9, 81}, .stream = 1, .max_new_tokens = 8};
  EngineRequest b = a, c = a;
  b.id = 2, b.stream = 2;
  c.id = 3;
  auto results = RunAll(engine, {a, b, c});
  EXPECT_NE(results[1].token_ids, results[2].token_ids);
  EXPECT_EQ(results[1].token_ids, results[3].token_ids);
}

TEST(GenerationEngineTest, LogprobsAreThoseThatTrainingComputes) {
  const auto model = TinyPolicy(1);
  GenerationEngine engine(model, {.max_batch = 2});
  std::vector<EngineRequest> requests = Requests();
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].temperature = i % 2 == 0 ? 0.7 : 1.3;
  }
  const auto results = RunAll(engine, requests);
  const c10::InferenceMode no_autograd;
  for (const EngineRequest& request : requests) {
    const EngineResult& result = results.at(request.id);
    ASSERT_THAT(result.logprobs, SizeIs(result.token_ids.size()));
    Ids ids = request.prompt_ids;
    ids.insert(ids.end(), result.token_ids.begin(), result.token_ids.end());
    const auto count = static_cast<int64_t>(result.token_ids.size());
    // The state before each token of the response.
    const auto hidden_ND =
        model->Forward(Pack({ids}, model->device()))
            .narrow(0, static_cast<int64_t>(request.prompt_ids.size()) - 1,
                    count);
    const auto target_N = at::tensor(
        std::vector<int64_t>(result.token_ids.begin(), result.token_ids.end()));
    const auto expected =
        ComputeTokenLogprobs(*model, hidden_ND, target_N, request.temperature)
            .logprob_N;
    for (int64_t i = 0; i < count; ++i) {
      EXPECT_NEAR(result.logprobs[i], expected[i].item<float>(), 1e-4);
    }
  }
}

TEST(GenerationEngineTest, StopsAtAnEosTokenAndKeepsIt) {
  const auto model = TinyPolicy(1);
  const EngineRequest request{
      .id = 1, .prompt_ids = {9, 81, 17}, .stream = 5, .max_new_tokens = 8};
  GenerationEngine endless(model, {});
  const EngineResult whole = RunAll(endless, {request}).at(1);
  EXPECT_THAT(whole.token_ids, SizeIs(8));
  EXPECT_EQ(whole.finish_reason, v1::FINISH_REASON_LENGTH);

  // What came third is now an end; the draw does not know.
  const Ids head(whole.token_ids.begin(), whole.token_ids.begin() + 3);
  ASSERT_NE(head[0], head[2]);
  ASSERT_NE(head[1], head[2]);
  GenerationEngine ending(model, {.eos_ids = {511, head[2]}});
  const EngineResult result = RunAll(ending, {request}).at(1);
  EXPECT_EQ(result.token_ids, head);
  EXPECT_THAT(result.logprobs, SizeIs(3));
  EXPECT_EQ(result.finish_reason, v1::FINISH_REASON_STOP);
}

TEST(GenerationEngineTest, AnEosAtTheLimitIsAStop) {
  const auto model = TinyPolicy(1);
  const EngineRequest request{
      .id = 1, .prompt_ids = {9, 81, 17}, .stream = 5, .max_new_tokens = 1};
  GenerationEngine endless(model, {});
  const Ids first = RunAll(endless, {request}).at(1).token_ids;
  GenerationEngine ending(model, {.eos_ids = first});
  EXPECT_EQ(RunAll(ending, {request}).at(1).finish_reason,
            v1::FINISH_REASON_STOP);
}

TEST(GenerationEngineTest, ANewModelIsUsedFromTheNextSequenceOn) {
  const auto old_model = TinyPolicy(1), new_model = TinyPolicy(2);
  GenerationEngine engine(old_model, {.max_batch = 3});
  const auto before = RunAll(engine, Requests());
  engine.SetModel(new_model);
  const auto after = RunAll(engine, Requests());

  GenerationEngine fresh(new_model, {.max_batch = 3});
  ExpectSame(after, RunAll(fresh, Requests()));
  EXPECT_NE(after.at(10).token_ids, before.at(10).token_ids);
}

TEST(GenerationEngineTest, RefusesWhatItCannotSample) {
  GenerationEngine engine(TinyPolicy(1), {.max_tokens = 10});
  const auto add = [&](Ids prompt, int max_new_tokens) {
    return engine.Add(
        {.prompt_ids = std::move(prompt), .max_new_tokens = max_new_tokens});
  };
  EXPECT_THAT(add(Ids(8, 3), 3),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("a prompt of 8 tokens and 3 new ones exceed "
                                 "the limit of 10 tokens")));
  EXPECT_THAT(add({}, 3), StatusIs(StatusCode::kInvalidArgument,
                                   HasSubstr("prompt has no tokens")));
  EXPECT_THAT(add({3, 512}, 3),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("id 512 is outside the vocabulary of 512")));
  EXPECT_THAT(add({3}, 0), StatusIs(StatusCode::kInvalidArgument,
                                    HasSubstr("no new token was asked for")));
  EXPECT_TRUE(engine.idle());
  EXPECT_OK(add(Ids(8, 3), 2));
}

}  // namespace
}  // namespace rlhf
