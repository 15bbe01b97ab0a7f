#include "core/nn/activations.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <c10/core/GradMode.h>

#include "core/nn/model_directory.h"
#include "core/nn/nn_fixtures.h"
#include "core/nn/pointwise.h"
#include "core/nn/sequence_scores.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using Sequences = std::vector<std::vector<int32_t>>;

constexpr int64_t kMaxTokens = 4096;

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

at::Tensor Weight(const Transformer& model, const std::string& name) {
  for (const NamedTensor& p : model.parameters()) {
    if (p.name == name) return p.tensor;
  }
  ADD_FAILURE() << name;
  return {};
}

// Two begin alike, so that packing lays what they share down once.
Sequences SomeSequences() {
  return {{5, 9, 33, 4, 7, 8}, {5, 9, 33, 4, 7, 21, 22}, {40}};
}

TEST(ActivationsTest, TheLastLayerGivesTheModelsScores) {
  const c10::NoGradGuard no_grad;
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_score")));
  ASSERT_OK_AND_ASSIGN(
      const at::Tensor hidden,
      LastTokenActivations(model, SomeSequences(), -1, kMaxTokens));
  ASSERT_OK_AND_ASSIGN(const std::vector<float> scores,
                       ScoreSequences(model, SomeSequences(), kMaxTokens));

  const at::Tensor from_hidden = model.Scores(hidden);

  ASSERT_EQ(hidden.size(0), 3);
  for (size_t s = 0; s < scores.size(); ++s) {
    EXPECT_NEAR(from_hidden[static_cast<int64_t>(s)].item<float>(), scores[s],
                1e-5);
  }
}

TEST(ActivationsTest, LayerZeroIsTheEmbeddingOfTheLastToken) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  ASSERT_OK_AND_ASSIGN(
      const at::Tensor hidden,
      LastTokenActivations(model, SomeSequences(), 0, kMaxTokens));
  const at::Tensor embedding = Weight(model, "model.embed_tokens.weight");

  EXPECT_TRUE(at::equal(hidden[0], embedding[8]));
  EXPECT_TRUE(at::equal(hidden[1], embedding[22]));
  EXPECT_TRUE(at::equal(hidden[2], embedding[40]));
}

// Its last norm is that of the whole model, which a layer in between has not
// passed.
TEST(ActivationsTest, ALayerInBetweenIsWhatAModelCutThereComputes) {
  const c10::NoGradGuard no_grad;
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  ASSERT_OK_AND_ASSIGN(const Transformer cut,
                       LoadModelAs(AsPreferenceModel(model.config(), 1, 0),
                                   NnFixture("llama_tied")));
  ASSERT_OK_AND_ASSIGN(
      const at::Tensor whole,
      LastTokenActivations(model, SomeSequences(), 1, kMaxTokens));
  ASSERT_OK_AND_ASSIGN(
      const at::Tensor last_of_cut,
      LastTokenActivations(cut, SomeSequences(), -1, kMaxTokens));

  const at::Tensor normed = RmsNorm(whole, Weight(model, "model.norm.weight"),
                                    model.config().rms_norm_eps);

  EXPECT_LT(MaxDifference(normed, last_of_cut), 1e-5);
  EXPECT_GT(MaxDifference(whole, last_of_cut), 1e-3);
}

TEST(ActivationsTest, PackingWithOthersChangesNothing) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  const Sequences sequences = SomeSequences();
  for (const int64_t layer : {0, 1, 2}) {
    ASSERT_OK_AND_ASSIGN(
        const at::Tensor together,
        LastTokenActivations(model, sequences, layer, kMaxTokens));
    // One group each.
    ASSERT_OK_AND_ASSIGN(const at::Tensor alone,
                         LastTokenActivations(model, sequences, layer, 1));
    EXPECT_LT(MaxDifference(together, alone), 1e-5) << layer;
  }
}

TEST(ActivationsTest, NegativeLayersCountFromTheEnd) {
  EXPECT_THAT(ResolveLayer(-1, 30), IsOkAndHolds(30));
  EXPECT_THAT(ResolveLayer(-31, 30), IsOkAndHolds(0));
  EXPECT_THAT(ResolveLayer(15, 30), IsOkAndHolds(15));
  for (const int64_t layer : {31, -32}) {
    EXPECT_THAT(ResolveLayer(layer, 30),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("of a model of 30 layers; wanted -31 to "
                                   "30")));
  }
}

TEST(ActivationsTest, CarryNoGradientAndTakeNoSequence) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
  }
  ASSERT_OK_AND_ASSIGN(
      const at::Tensor hidden,
      LastTokenActivations(model, SomeSequences(), 1, kMaxTokens));
  EXPECT_FALSE(hidden.requires_grad());
  EXPECT_EQ(hidden.scalar_type(), at::kFloat);
  ASSERT_OK_AND_ASSIGN(const at::Tensor none,
                       LastTokenActivations(model, {}, 1, kMaxTokens));
  EXPECT_EQ(none.size(0), 0);
  EXPECT_EQ(none.size(1), model.config().hidden_size);
}

TEST(ActivationsTest, RefusesWhatTheModelCannotRead) {
  ASSERT_OK_AND_ASSIGN(const Transformer model,
                       LoadModel(NnFixture("llama_tied")));
  EXPECT_THAT(LastTokenActivations(model, {{1}, {}}, 1, 8),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("sequence 1 has no tokens")));
  EXPECT_THAT(LastTokenActivations(model, {{64}}, 1, 8),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("token id 64 is outside the vocabulary")));
  EXPECT_THAT(LastTokenActivations(model, {{1}}, 3, 8),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("layer 3 of a model of 2 layers")));
}

}  // namespace
}  // namespace rlhf
