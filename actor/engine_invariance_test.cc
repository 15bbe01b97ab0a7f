// What a response does not depend on: the batch, the order of arrival, how its
// prompt is cut, and whether the policy is packed. And what it does depend on:
// the distribution that the model gives.
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "actor/actor_fixtures.h"
#include "actor/generation_engine.h"
#include "core/base/hash.h"
#include "core/nn/packed_batch.h"
#include "core/nn/sampler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using Ids = std::vector<int32_t>;
using Results = std::map<uint64_t, EngineResult>;

// The logits after `ids`, by a full pass of a plain model.
std::vector<float> LogitsAfter(const Transformer& model, const Ids& ids) {
  const c10::InferenceMode no_autograd;
  const at::Tensor hidden_TD = model.Forward(Pack({ids}, at::kCPU));
  const at::Tensor logit_V =
      model.Logits(hidden_TD.narrow(0, -1, 1)).flatten().contiguous();
  const float* const data = logit_V.const_data_ptr<float>();
  return {data, data + logit_V.numel()};
}

// By id: what the likeliest tokens and their log-probabilities are, each from a
// full pass.
Results PlainGreedy(const Transformer& model,
                    const std::vector<EngineRequest>& requests) {
  Results results;
  for (const EngineRequest& request : requests) {
    EngineResult& result = results[request.id];
    Ids ids = request.prompt_ids;
    while (static_cast<int>(result.token_ids.size()) < request.max_new_tokens) {
      const std::vector<float> logits = LogitsAfter(model, ids);
      const auto largest = std::max_element(logits.begin(), logits.end());
      double sum = 0;
      for (const float logit : logits) sum += std::exp(logit - *largest);
      ids.push_back(static_cast<int32_t>(largest - logits.begin()));
      result.token_ids.push_back(ids.back());
      result.logprobs.push_back(static_cast<float>(-std::log(sum)));
    }
  }
  return results;
}

// Twelve prompts of 1 to 34 tokens, some alike at their beginnings.
std::vector<EngineRequest> GreedyRequests() {
  std::vector<EngineRequest> requests;
  for (uint64_t i = 0; i < 12; ++i) {
    EngineRequest& request = requests.emplace_back();
    request.id = i;
    for (uint64_t t = 0; t < 1 + 3 * i; ++t) {
      const uint64_t own = t < 8 ? i % 3 : i;
      request.prompt_ids.push_back(
          static_cast<int32_t>(3 + MixHash(own, t) % 500));
    }
    request.max_new_tokens = static_cast<int>(3 + 2 * (i % 5));
    request.temperature = 0;
  }
  return requests;
}

// In the order of `arrival`, with so many steps between two.
Results RunInOrder(GenerationEngine& engine,
                   const std::vector<EngineRequest>& requests,
                   const std::vector<size_t>& arrival, int steps_between) {
  Results results;
  const auto step = [&] {
    auto finished = engine.Step();
    RLHF_CHECK(finished.ok()) << finished.status();
    for (EngineResult& result : *finished) results[result.id] = result;
  };
  for (const size_t i : arrival) {
    EXPECT_OK(engine.Add(requests[i]));
    for (int s = 0; s < steps_between; ++s) step();
  }
  while (!engine.idle()) step();
  return results;
}

void ExpectSame(const Results& actual, const Results& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [id, result] : expected) {
    const EngineResult& other = actual.at(id);
    EXPECT_EQ(other.token_ids, result.token_ids) << "request " << id;
    ASSERT_EQ(other.logprobs.size(), result.logprobs.size());
    for (size_t i = 0; i < result.logprobs.size(); ++i) {
      EXPECT_NEAR(other.logprobs[i], result.logprobs[i], 1e-4)
          << "request " << id;
    }
  }
}

// Orders of arrival, and the steps between two.
std::vector<std::pair<std::vector<size_t>, int>> Arrivals(size_t count) {
  std::vector<size_t> forward(count), mixed;
  std::iota(forward.begin(), forward.end(), size_t{0});
  const std::vector<size_t> backward(forward.rbegin(), forward.rend());
  mixed = forward;
  std::sort(mixed.begin(), mixed.end(),
            [](size_t a, size_t b) { return MixHash(5, a) < MixHash(5, b); });
  return {{forward, 0}, {backward, 0}, {mixed, 2}};
}

class EngineInvarianceTest : public testing::TestWithParam<bool> {
 protected:
  const std::shared_ptr<const Transformer> model_ =
      GetParam() ? ForGeneration(MakeTinyModel(1)) : TinyPolicy(1);
  // Of the same weights.
  const Transformer plain_ = MakeTinyModel(1);
};

TEST_P(EngineInvarianceTest, GreedyIsThePlainPathHoweverItIsBatched) {
  const std::vector<EngineRequest> requests = GreedyRequests();
  const Results expected = PlainGreedy(plain_, requests);
  for (const int max_batch : {1, 2, 5, 13}) {
    for (const int64_t chunk : {3, 8, 2048}) {
      for (const auto& [arrival, steps_between] : Arrivals(requests.size())) {
        SCOPED_TRACE(absl::StrCat("batch ", max_batch, ", chunks of ", chunk,
                                  ", first ", arrival[0]));
        GenerationEngine engine(
            model_, {.max_batch = max_batch, .max_prefill_tokens = chunk});
        ExpectSame(RunInOrder(engine, requests, arrival, steps_between),
                   expected);
      }
    }
  }
}

TEST_P(EngineInvarianceTest, ASeedGivesTheSameTextAtBatch1AndAt32) {
  ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Load(TinyTokenizer()));
  std::vector<EngineRequest> requests = GreedyRequests();
  while (requests.size() < 32) {
    requests.push_back(requests[requests.size() - 12]);
  }
  for (uint64_t i = 0; i < requests.size(); ++i) {
    requests[i].id = i;
    requests[i].stream = SampleStream(7, absl::StrCat("prompt", i % 12),
                                      static_cast<int64_t>(i / 12));
    requests[i].temperature = 1;
    requests[i].max_new_tokens = 16;
  }
  const auto texts_at = [&](int max_batch) {
    GenerationEngine engine(
        model_, {.max_batch = max_batch, .tokenizer = tokenizer.get()});
    std::vector<std::string> texts;
    for (const auto& [id, result] :
         RunInOrder(engine, requests, Arrivals(requests.size())[0].first, 0)) {
      texts.push_back(result.text);
    }
    return texts;
  };
  const std::vector<std::string> alone = texts_at(1);
  EXPECT_EQ(texts_at(32), alone);
  EXPECT_NE(alone[0], alone[12]) << "two samples of one prompt";
}

// The `count` likeliest tokens after `ids` and their probabilities among each
// other.
std::vector<std::pair<int32_t, double>> Likeliest(const Transformer& model,
                                                  const Ids& ids, size_t count,
                                                  double temperature) {
  const std::vector<float> logits = LogitsAfter(model, ids);
  Ids order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  double sum = 0;
  std::vector<std::pair<int32_t, double>> likeliest;
  for (size_t i = 0; i < count; ++i) {
    likeliest.emplace_back(order[i], std::exp(logits[order[i]] / temperature));
    sum += likeliest.back().second;
  }
  for (auto& [id, probability] : likeliest) probability /= sum;
  return likeliest;
}

// Two tokens in a row, the first from a prefill and the second from decoding.
TEST_P(EngineInvarianceTest, DrawsFollowTheModelsDistribution) {
  constexpr int kDraws = 20'000;
  constexpr double kTemperature = 1.5;
  const Ids prompt = {9, 81, 17, 33, 6, 240};
  std::map<Ids, double> expected;
  for (const auto& [a, p] : Likeliest(plain_, prompt, 4, kTemperature)) {
    Ids longer = prompt;
    longer.push_back(a);
    for (const auto& [b, q] : Likeliest(plain_, longer, 4, kTemperature)) {
      expected[{a, b}] = p * q;
    }
  }
  ASSERT_EQ(expected.size(), 16u);

  GenerationEngine engine(model_, {.max_batch = 64, .max_tokens = 16});
  for (int i = 0; i < kDraws; ++i) {
    ASSERT_OK(engine.Add({.id = static_cast<uint64_t>(i),
                          .prompt_ids = prompt,
                          .stream = SampleStream(3, "p", i),
                          .max_new_tokens = 2,
                          .temperature = kTemperature,
                          .truncation = {.top_k = 4}}));
  }
  std::map<Ids, int> counts;
  for (const auto& [id, result] : Drain(engine)) {
    ++counts[result.token_ids];
    ASSERT_TRUE(expected.contains(result.token_ids));
    EXPECT_NEAR(result.logprobs[0] + result.logprobs[1],
                std::log(expected[result.token_ids]), 1e-4);
  }
  double chi_square = 0;
  for (const auto& [ids, probability] : expected) {
    const double mean = kDraws * probability;
    ASSERT_GT(mean, 20);
    chi_square += (counts[ids] - mean) * (counts[ids] - mean) / mean;
  }
  // Fifteen degrees of freedom: above 44.3 once in 10,000.
  EXPECT_LT(chi_square, 44.3);
}

INSTANTIATE_TEST_SUITE_P(PlainAndPacked, EngineInvarianceTest, testing::Bool());

}  // namespace
}  // namespace rlhf
