// The KL of whole responses, exactly: five tokens and four places make 341
// responses, whose probabilities the learner's own forward pass gives.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/nn/sampler.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"
#include "trainer/batch_evaluation.h"
#include "trainer/ppo/kl_estimators.h"
#include "trainer/ppo_trainer.h"

namespace rlhf {
namespace {

constexpr int64_t kVocabulary = 5;
constexpr int32_t kEos = 2;
constexpr size_t kMaxTokens = 4;

using Tokens = std::vector<int32_t>;
const Tokens kPrompt = {1, 3};

Transformer FiveTokenModel(uint64_t seed) {
  const Transformer wide = MakeTinyModel(seed);
  ModelConfig config = wide.config();
  config.vocab_size = kVocabulary;
  NamedTensors weights;
  for (const auto& [name, tensor] : wide.parameters()) {
    const bool embedding = name == "model.embed_tokens.weight";
    weights.push_back(
        {name, embedding ? tensor.narrow(0, 0, kVocabulary).clone() : tensor});
  }
  absl::StatusOr<Transformer> model =
      Transformer::Create(config, std::move(weights));
  EXPECT_OK(model);
  return *std::move(model);
}

bool IsWhole(const Tokens& response) {
  return response.size() == kMaxTokens ||
         (!response.empty() && response.back() == kEos);
}

// Every response there is, `response` and what can follow it.
void AddAll(const Tokens& response, std::vector<Tokens>& all) {
  if (IsWhole(response)) {
    all.push_back(response);
    return;
  }
  for (int32_t token = 0; token < kVocabulary; ++token) {
    Tokens longer = response;
    longer.push_back(token);
    AddAll(longer, all);
  }
}

std::vector<Tokens> AllResponses() {
  std::vector<Tokens> all;
  AddAll({}, all);
  return all;
}

// As an actor samples: one token after another from the policy's logits.
std::vector<Tokens> Sample(const Transformer& policy, int64_t count,
                           uint64_t seed, double temperature) {
  const c10::NoGradGuard no_grad;
  std::vector<Tokens> responses(count);
  for (size_t place = 0; place < kMaxTokens; ++place) {
    std::vector<Tokens> begun;
    std::vector<int64_t> unfinished;
    std::vector<double> uniforms;
    for (int64_t i = 0; i < count; ++i) {
      if (IsWhole(responses[i])) continue;
      Tokens& tokens = begun.emplace_back(kPrompt);
      tokens.insert(tokens.end(), responses[i].begin(), responses[i].end());
      unfinished.push_back(i);
      uniforms.push_back(UniformAt(SampleStream(seed, "prompt", i),
                                   static_cast<int64_t>(place)));
    }
    if (begun.empty()) break;
    const PackedBatch batch = Pack(begun, at::kCPU);
    const at::Tensor hidden_TD = policy.Forward(batch);
    const std::vector<SampledToken> drawn =
        SampleTokens(policy.Logits(hidden_TD.index_select(
                         0, at::tensor(batch.LastRows(), at::kLong))),
                     temperature, uniforms);
    for (size_t k = 0; k < drawn.size(); ++k) {
      responses[unfinished[k]].push_back(drawn[k].token_id);
    }
  }
  return responses;
}

// Of each response, summed over its tokens.
struct ResponseSums {
  std::vector<double> logprob, k1, k3;
};

ResponseSums Evaluate(const Transformer& policy, const Transformer& reference,
                      const std::vector<Tokens>& responses,
                      double temperature) {
  std::vector<PromptResponse> dialogues;
  for (const Tokens& response : responses) {
    dialogues.push_back({.prompt_ids = &kPrompt, .response_ids = &response});
  }
  const BatchEvaluation evaluation = EvaluateBatch(
      policy, Critic(MakeValueHead(policy.config().hidden_size, at::kCPU)),
      reference, dialogues, {.temperature = temperature});
  const at::Tensor k1_N = KlK1(evaluation.logprob_N, evaluation.ref_logprob_N);
  const at::Tensor k3_N = KlK3(evaluation.logprob_N, evaluation.ref_logprob_N);
  ResponseSums sums;
  int64_t begin = 0;
  for (const Tokens& response : responses) {
    const auto length = static_cast<int64_t>(response.size());
    const auto sum = [&](const at::Tensor& values_N) {
      return values_N.narrow(0, begin, length).sum(at::kDouble).item<double>();
    };
    sums.logprob.push_back(sum(evaluation.logprob_N));
    sums.k1.push_back(sum(k1_N));
    sums.k3.push_back(sum(k3_N));
    begin += length;
  }
  return sums;
}

struct Distribution {
  double total_probability = 0;
  // Expectations over all responses.
  double k1 = 0, k3 = 0;
};

// KL(policy || reference), which k1 of a whole response is by definition.
Distribution Enumerate(const Transformer& policy, const Transformer& reference,
                       double temperature) {
  const ResponseSums sums =
      Evaluate(policy, reference, AllResponses(), temperature);
  Distribution all;
  for (size_t i = 0; i < sums.logprob.size(); ++i) {
    const double probability = std::exp(sums.logprob[i]);
    all.total_probability += probability;
    all.k1 += probability * sums.k1[i];
    all.k3 += probability * sums.k3[i];
  }
  return all;
}

void ExpectMeanWithinThreeStandardErrors(const std::vector<double>& values,
                                         double exact) {
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
  }
  const double mean = sum / count;
  const double error = std::sqrt((squares / count - mean * mean) / count);
  EXPECT_NEAR(mean, exact, 3 * error);
  // Three errors are a bar only if they are small.
  EXPECT_LT(error, 0.15 * exact);
}

TEST(EnumeratedKlTest, ProbabilitiesOfAllResponsesAddUpToOne) {
  EXPECT_EQ(AllResponses().size(), 341);
  for (const double temperature : {1.0, 0.5}) {
    const Distribution all =
        Enumerate(FiveTokenModel(1), FiveTokenModel(2), temperature);
    EXPECT_NEAR(all.total_probability, 1, 1e-5) << temperature;
  }
}

TEST(EnumeratedKlTest, K1AndK3OfSamplesMeetTheExactKl) {
  const Transformer policy = FiveTokenModel(1), reference = FiveTokenModel(2);
  for (const double temperature : {1.0, 0.5}) {
    SCOPED_TRACE(absl::StrCat("temperature ", temperature));
    const Distribution exact = Enumerate(policy, reference, temperature);
    EXPECT_GT(exact.k1, 0.1);

    const ResponseSums sampled =
        Evaluate(policy, reference,
                 Sample(policy, 500, /*seed=*/1, temperature), temperature);

    ExpectMeanWithinThreeStandardErrors(sampled.k1, exact.k1);
    ExpectMeanWithinThreeStandardErrors(sampled.k3, exact.k1);
    for (const double k3 : sampled.k3) EXPECT_GE(k3, 0);
  }
}

// Summed over the tokens of a response, k3 is unbiased too: its expectation is
// the KL exactly, not only within the errors of a sample.
TEST(EnumeratedKlTest, TheExpectationOfK3IsTheKl) {
  const Distribution all =
      Enumerate(FiveTokenModel(1), FiveTokenModel(2), /*temperature=*/1);
  EXPECT_NEAR(all.k3, all.k1, 1e-5 * all.k1);
}

TEST(EnumeratedKlTest, TheKlDependsOnTheTemperature) {
  const Transformer policy = FiveTokenModel(1), reference = FiveTokenModel(2);
  EXPECT_GT(Enumerate(policy, reference, 0.5).k1,
            1.5 * Enumerate(policy, reference, 1).k1);
}

// The exact KL to the initial policy after training for one of the tokens.
double KlAfterTraining(double kl_coefficient) {
  PpoTrainer::Options options;
  options.ppo.set_learning_rate(5e-3);
  options.ppo.set_kl_coefficient(kl_coefficient);
  SingleCommunicator alone;
  const auto reference = std::make_shared<const Transformer>(FiveTokenModel(1));
  PpoTrainer trainer({.policy = FiveTokenModel(1),
                      .reference = reference,
                      .critic = std::nullopt},
                     options, &alone);
  for (int64_t update = 1; update <= 10; ++update) {
    std::vector<PpoSample> batch;
    for (const Tokens& response :
         Sample(trainer.policy(), 24, static_cast<uint64_t>(update), 1)) {
      const auto wanted = std::count(response.begin(), response.end(), 4);
      batch.push_back(
          {.prompt_ids = kPrompt,
           .response_ids = response,
           .behaviour_logprobs = std::vector<float>(response.size(), -1),
           .score = static_cast<double>(wanted),
           .ended = response.back() == kEos});
    }
    EXPECT_OK(trainer.Update(batch, update));
  }
  return Enumerate(trainer.policy(), *reference, 1).k1;
}

TEST(EnumeratedKlTest, RaisingBetaLowersTheKl) {
  const double free = KlAfterTraining(0);
  const double held = KlAfterTraining(1);
  const double bound = KlAfterTraining(20);
  EXPECT_GT(free, 0.1);
  EXPECT_LT(held, 0.8 * free) << free;
  EXPECT_LT(bound, 0.8 * held) << held;
}

}  // namespace
}  // namespace rlhf
