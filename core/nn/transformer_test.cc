#include "core/nn/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "core/nn/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

at::Tensor ToTensor(const Json& rows) {
  std::vector<at::Tensor> tensors;
  for (const Json& row : rows) {
    tensors.push_back(at::tensor(row.get<std::vector<float>>()).unsqueeze(0));
  }
  return at::cat(tensors);
}

class ArchitectureTest : public testing::TestWithParam<const char*> {
 protected:
  const c10::NoGradGuard no_grad_;
};

TEST_P(ArchitectureTest, LogitsEqualTransformers) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture(GetParam())));
  const Json expected = NnExpected(GetParam());
  const auto ids = expected["ids"].get<std::vector<int32_t>>();

  const auto logits = model.Logits(model.Forward(Pack({ids}, at::kCPU)));

  // Transformers on one processor is up to 3e-5 from itself on another.
  EXPECT_LT(MaxDifference(logits, ToTensor(expected["logits"])), 1e-4);
}

TEST_P(ArchitectureTest, CachedDecodingEqualsTransformers) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture(GetParam())));
  const Json expected = NnExpected(GetParam());
  const auto ids = expected["ids"].get<std::vector<int32_t>>();
  // Another sequence of another length decodes beside it.
  const std::vector<int32_t> other(ids.begin(), ids.begin() + 5);
  KvCache cache(model.config(), 2, 64, at::kFloat);
  cache.AddRow();
  cache.AddRow();
  auto hidden = model.Prefill(Pack({other, ids}, at::kCPU), {0, 1}, cache);
  std::vector<int32_t> greedy;
  while (greedy.size() < 8) {
    const auto next = at::argmax(model.Logits(hidden), -1);
    greedy.push_back(next[1].item<int32_t>());
    hidden = model.Decode(next, cache);
  }

  EXPECT_EQ(greedy, expected["greedy"].get<std::vector<int32_t>>());
}

TEST_P(ArchitectureTest, PackingDoesNotChangeASequence) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture(GetParam())));
  const std::vector<int32_t> a = {5, 9, 33}, b = {7, 8, 9, 10, 11, 12};

  const auto alone = model.Forward(Pack({b}, at::kCPU));
  const PackedBatch batch = Pack({a, b, a}, at::kCPU);
  const auto packed = model.Forward(batch).narrow(0, batch.RowOf(1, 0), 6);

  EXPECT_LT(MaxDifference(alone, packed), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Families, ArchitectureTest,
                         testing::Values("llama_tied", "llama_untied",
                                         "llama3_rope", "mistral", "qwen2",
                                         "qwen3"));

TEST(TransformerTest, ScoreEqualsTransformers) {
  const c10::NoGradGuard no_grad;
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_score")));
  const Json expected = NnExpected("llama_score");
  const auto ids = expected["ids"].get<std::vector<int32_t>>();

  const auto hidden = model.Forward(Pack({ids}, at::kCPU));
  const auto score = model.Scores(hidden.narrow(0, hidden.size(0) - 1, 1));

  EXPECT_NEAR(score.item<double>(), expected["score"].get<double>(), 2e-5);
}

TEST(TransformerTest, GradientsReachEveryWeight) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  for (const NamedTensor& p : model.parameters())
    p.tensor.set_requires_grad(true);

  const auto logits =
      model.Logits(model.Forward(Pack({{3, 4, 5}, {6, 7}}, at::kCPU)));
  logits.square().sum().backward();

  for (const NamedTensor& p : model.parameters()) {
    ASSERT_TRUE(p.tensor.grad().defined()) << p.name;
    EXPECT_GT(p.tensor.grad().abs().max().item<float>(), 0) << p.name;
  }
}

TEST(TransformerTest, ACloneHasItsOwnWeights) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  const Transformer copy = model.Clone();

  copy.parameters()[0].tensor.add_(1);

  EXPECT_NEAR(
      MaxDifference(copy.parameters()[0].tensor, model.parameters()[0].tensor),
      1, 1e-6);
}

TEST(TransformerTest, NamesTheTensorsThatAreMissingOrMisshapen) {
  ASSERT_OK_AND_ASSIGN(const ModelConfig config,
                       LoadModelConfig(NnFixture("llama_tied")));
  ASSERT_OK_AND_ASSIGN(
      NamedTensors weights,
      ReadSafetensors(NnFixture("llama_tied") + "/model.safetensors"));
  std::erase_if(weights, [](const NamedTensor& entry) {
    return entry.name == "model.norm.weight";
  });
  for (NamedTensor& entry : weights) {
    if (entry.name == "model.layers.1.mlp.up_proj.weight") {
      entry.tensor = entry.tensor.narrow(0, 0, 3);
    }
  }

  const auto model = Transformer::Create(config, weights);

  EXPECT_THAT(
      model,
      StatusIs(absl::StatusCode::kInvalidArgument,
               testing::AllOf(HasSubstr("\"model.norm.weight\" is missing"),
                              HasSubstr("up_proj.weight\" has shape [3, 16], "
                                        "wanted [24, 16]"))));
}

TEST(TransformerTest, APreferenceModelKeepsTheFirstLayersAndStartsAtZero) {
  const c10::NoGradGuard no_grad;
  ASSERT_OK_AND_ASSIGN(const ModelConfig base,
                       LoadModelConfig(NnFixture("llama_tied")));
  const ModelConfig config = AsPreferenceModel(base, 1, 0);

  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModelAs(config, NnFixture("llama_tied")));

  EXPECT_EQ(model.config().raw["architectures"][0],
            "LlamaForSequenceClassification");
  EXPECT_EQ(model.Scores(model.Forward(Pack({{3, 4}}, at::kCPU)))
                .abs()
                .max()
                .item<float>(),
            0);
}

}  // namespace
}  // namespace rlhf
