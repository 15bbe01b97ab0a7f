#include "trainer/parallel/trained_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/tiny_model.h"
#include "trainer/optim/adamw.h"
#include "trainer/parallel/gradient_buckets.h"
#include "trainer/parallel/sharded_weights.h"

namespace rlhf {
namespace {

constexpr absl::Duration kPlenty = absl::Seconds(30);

// Not of squares: the last norm makes their sum nearly constant.
void Backward(const Transformer& model, int32_t token) {
  model.Forward(Pack({{token, 4, 5}, {6, token}}, at::kCPU))
      .pow(3)
      .sum()
      .backward();
}

TEST(GradientBucketsTest, SumsOverRanksInOrderWhoeverIsReady) {
  OnRanks(3, kPlenty, [](Communicator& communicator) {
    NamedTensors parameters;
    for (const int64_t size : {3, 4, 9, 2}) {
      parameters.push_back({absl::StrCat("p", size), at::zeros({size})});
      parameters.back().tensor.set_requires_grad(true);
    }
    GradientBuckets buckets(parameters, "test", &communicator, 8);
    EXPECT_EQ(buckets.num_buckets(), 3u);  // 3 + 4, 9, 2
    for (int step = 0; step < 2; ++step) {
      buckets.Zero();
      for (size_t i = 0; i < parameters.size(); ++i) {
        parameters[i].tensor.mutable_grad().add_(static_cast<double>(i) +
                                                 10.0 * communicator.rank());
        // One rank tells in time, one too late, one never.
        if (communicator.rank() == 0) buckets.Ready(i);
        if (communicator.rank() == 1 && i > 0) buckets.Ready(i);
      }
      ASSERT_OK(buckets.Finish());
      EXPECT_EQ(buckets.num_early(), communicator.rank() == 0 ? 3u : 0u);
      for (size_t i = 0; i < parameters.size(); ++i) {
        EXPECT_EQ(parameters[i].tensor.grad().max().item<float>(),
                  3.0f * static_cast<float>(i) + 30);
      }
    }
  });
}

// Two passes on each rank; what comes out must not depend on who holds what.
void ExpectSumOfRanks(bool sharded, at::ScalarType dtype) {
  const Transformer model = MakeTinyModel(1);
  // One rank alone that makes all passes.
  SingleCommunicator alone;
  const auto whole = MakeReplicatedModel(model.Clone(), {}, {}, &alone);
  whole->BeginStep();
  for (const int32_t token : {7, 8, 9, 10}) Backward(whole->working(), token);
  OnRanks(2, kPlenty, [&](Communicator& communicator) {
    const auto make = sharded ? MakeShardedModel : MakeReplicatedModel;
    const auto part = make(model.Clone(), {}, {.dtype = dtype}, &communicator);
    part->BeginStep();
    Backward(part->working(), 7 + 2 * communicator.rank());
    part->CollectGradients();
    part->ExpectLastPass();
    Backward(part->working(), 8 + 2 * communicator.rank());
    part->CollectGradients();
    ASSERT_OK(part->ReduceGradients());
    std::vector<at::Tensor> gradients;
    for (const NamedTensor& p : part->parameters()) {
      gradients.push_back(p.tensor.grad());
    }
    ASSERT_OK_AND_ASSIGN(const NamedTensors gathered, part->Gather(gradients));
    if (sharded && communicator.rank() != 0) {
      EXPECT_TRUE(gathered.empty());
      return;
    }
    ASSERT_EQ(gathered.size(), whole->parameters().size());
    const double tolerance = dtype == at::kFloat ? 1e-5 : 0.05;
    for (size_t i = 0; i < gathered.size(); ++i) {
      const NamedTensor& expected = whole->parameters()[i];
      EXPECT_EQ(gathered[i].name, expected.name);
      const at::Tensor gradient = expected.tensor.grad();
      EXPECT_LT((gathered[i].tensor - gradient).norm().item<double>(),
                tolerance * gradient.norm().item<double>())
          << expected.name;
    }
  });
}

TEST(TrainedModelTest, GradientsAreTheSumsOfAllRanks) {
  ExpectSumOfRanks(false, at::kFloat);
  ExpectSumOfRanks(true, at::kFloat);
}

TEST(TrainedModelTest, Bfloat16GradientsAreSummedInFloat32) {
  ExpectSumOfRanks(false, at::kBFloat16);
  ExpectSumOfRanks(true, at::kBFloat16);
}

TEST(TrainedModelTest, WhatIsGatheredFitsBackIn) {
  OnRanks(3, kPlenty, [](Communicator& communicator) {
    const auto model =
        MakeShardedModel(MakeTinyModel(1), {{"h", at::zeros({5})}},
                         {.prefix = "critic."}, &communicator);
    NamedTensors whole;
    const Transformer other = MakeTinyModel(2);
    for (const NamedTensor& p : other.parameters()) {
      whole.push_back({"critic." + p.name, p.tensor});
    }
    std::vector<at::Tensor> parts;
    for (const NamedTensor& p : model->parameters()) parts.push_back(p.tensor);
    EXPECT_THAT(model->Scatter(whole, parts),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::HasSubstr("\"critic.h\"")));
    whole.push_back({"critic.h", at::zeros({5}) + 3});
    ASSERT_OK(model->Scatter(whole, parts));
    ASSERT_OK_AND_ASSIGN(const NamedTensors gathered, model->Gather(parts));
    if (communicator.rank() != 0) return;
    ASSERT_EQ(gathered.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(gathered[i].name, whole[i].name);
      EXPECT_TRUE(at::equal(gathered[i].tensor, whole[i].tensor));
    }
  });
}

TEST(TrainedModelTest, AShareIsOneNthOfWeightsGradientsAndMoments) {
  int64_t elements = 0;
  const Transformer model = MakeTinyModel(1);
  for (const NamedTensor& p : model.parameters()) elements += p.tensor.numel();
  for (const int ranks : {2, 3, 4}) {
    OnRanks(ranks, kPlenty, [&](Communicator& communicator) {
      const auto part = MakeShardedModel(model.Clone(), {}, {}, &communicator);
      AdamW optimizer({{.parameters = part->parameters()}}, {});
      part->BeginStep();
      Backward(part->working(), 7);
      part->CollectGradients();
      optimizer.Step();
      size_t bytes = 0;
      for (const NamedTensor& p : part->parameters()) {
        bytes += p.tensor.nbytes() + p.tensor.grad().nbytes();
      }
      for (const NamedTensor& p : optimizer.ExportState()) {
        bytes += p.tensor.nbytes();
      }
      // Weight, gradient and two moments, float32 each.
      EXPECT_LE(static_cast<double>(bytes),
                (1.0 / ranks + 0.05) * 16 * static_cast<double>(elements));
    });
  }
}

TEST(ShardedWeightsTest, ALayerIsThereWhileItIsUsedAndTheNextOneIsFetched) {
  using enum LayerWeights::Direction;
  SingleCommunicator alone;
  ShardedWeights weights(MakeTinyModel(1), {}, {.name = "test"}, &alone);
  const auto present = [&] {
    std::string text;
    for (const FlatBlock& block : weights.blocks()) {
      text += block.flat().storage().nbytes() > 0 ? '1' : '0';
    }
    return text;
  };
  EXPECT_EQ(present(), "000");  // two layers, and the rest
  weights.BeginPass();
  EXPECT_EQ(present(), "101");
  weights.Acquire(0, kForward);
  EXPECT_EQ(present(), "111");
  weights.Release(0);
  EXPECT_EQ(present(), "011");
  weights.Acquire(1, kForward);
  weights.Release(1);
  EXPECT_EQ(present(), "001");
  weights.Acquire(1, kBackward);
  EXPECT_EQ(present(), "111");
  weights.Release(1);
  weights.Acquire(0, kBackward);
  weights.Release(0);
  weights.EndPass();
  EXPECT_EQ(present(), "000");
}

}  // namespace
}  // namespace rlhf
