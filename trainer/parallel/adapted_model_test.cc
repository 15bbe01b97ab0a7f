#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"
#include "trainer/optim/adamw.h"
#include "trainer/parallel/trained_model.h"

namespace rlhf {
namespace {

constexpr LoraOptions kLora = {.rank = 3, .alpha = 6, .seed = 5};
constexpr double kScale = 2;  // alpha / rank

at::Tensor Loss(const Transformer& model, int32_t token) {
  return model.Forward(Pack({{token, 4, 5}, {6, token}}, at::kCPU))
      .pow(3)
      .sum();
}

std::map<std::string, at::Tensor> ByName(const NamedTensors& tensors) {
  std::map<std::string, at::Tensor> by_name;
  for (const NamedTensor& t : tensors) by_name[t.name] = t.tensor;
  return by_name;
}

std::unique_ptr<TrainedModel> Adapted(Communicator* communicator,
                                      at::ScalarType dtype = at::kFloat) {
  return MakeAdaptedModel(MakeTinyModel(1), {}, {.dtype = dtype, .lora = kLora},
                          communicator);
}

// Moves every factor away from its start.
void Move(TrainedModel& model) {
  AdamW optimizer({{.parameters = model.parameters(), .learning_rate = 0.05}},
                  {});
  for (const int32_t token : {7, 9}) {
    model.BeginStep();
    Loss(model.working(), token).backward();
    model.CollectGradients();
    ASSERT_OK(model.ReduceGradients());
    optimizer.Step();
    model.Refresh();
    model.EndStep();
  }
}

// The same weights by their definition, differentiable in the factors.
Transformer ByDefinition(const TrainedModel& model) {
  const auto factors = ByName(model.parameters());
  NamedTensors weights;
  const Transformer base = MakeTinyModel(1);
  for (const NamedTensor& p : base.parameters()) {
    const std::string stem = p.name.substr(0, p.name.rfind("weight"));
    const auto down = factors.find(stem + "lora_A.weight");
    if (down == factors.end()) {
      weights.push_back(p);
      continue;
    }
    const at::Tensor up = factors.at(stem + "lora_B.weight");
    weights.push_back({p.name, p.tensor + kScale * up.matmul(down->second)});
  }
  absl::StatusOr<Transformer> made =
      Transformer::Create(base.config(), std::move(weights));
  EXPECT_OK(made);
  return *std::move(made);
}

TEST(AdaptedModelTest, StartsAsTheModelItAdapts) {
  SingleCommunicator alone;
  const auto model = Adapted(&alone);
  const Transformer base = MakeTinyModel(1);
  EXPECT_EQ(Loss(model->working(), 7).item<float>(),
            Loss(base, 7).item<float>());
  ASSERT_OK_AND_ASSIGN(const NamedTensors weights, model->GatherWeights());
  ASSERT_EQ(weights.size(), base.parameters().size());
  for (size_t i = 0; i < weights.size(); ++i) {
    EXPECT_EQ(weights[i].name, base.parameters()[i].name);
    EXPECT_TRUE(at::equal(weights[i].tensor, base.parameters()[i].tensor));
  }
}

TEST(AdaptedModelTest, GradientsOfTheFactorsAreThoseOfTheDefinition) {
  SingleCommunicator alone;
  const auto model = Adapted(&alone);
  ASSERT_NO_FATAL_FAILURE(Move(*model));
  model->BeginStep();
  for (const int32_t token : {11, 12}) {
    Loss(model->working(), token).backward();
    model->CollectGradients();
  }
  ASSERT_OK(model->ReduceGradients());
  std::map<std::string, at::Tensor> actual;
  for (const NamedTensor& p : model->parameters()) {
    ASSERT_TRUE(p.tensor.grad().defined()) << p.name;
    actual[p.name] = p.tensor.grad().clone();
  }
  model->EndStep();
  const Transformer expected = ByDefinition(*model);
  (Loss(expected, 11) + Loss(expected, 12)).backward();
  for (const NamedTensor& p : model->parameters()) {
    const at::Tensor gradient = p.tensor.grad();
    EXPECT_LT((actual[p.name] - gradient).norm().item<double>(),
              1e-4 * gradient.norm().item<double>())
        << p.name;
    EXPECT_GT(gradient.norm().item<double>(), 0) << p.name;
  }
  // The matrices' own gradients did not stay.
  for (const NamedTensor& p : model->working().parameters()) {
    EXPECT_FALSE(p.tensor.grad().defined()) << p.name;
  }
}

TEST(AdaptedModelTest, PassesAndPublishedWeightsFollowTheFactors) {
  SingleCommunicator alone;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto model = Adapted(&alone, dtype);
    ASSERT_NO_FATAL_FAILURE(Move(*model));
    const Transformer expected = ByDefinition(*model);
    EXPECT_NE(Loss(expected, 7).item<float>(),
              Loss(MakeTinyModel(1), 7).item<float>());
    ASSERT_OK_AND_ASSIGN(const NamedTensors weights, model->GatherWeights());
    for (size_t i = 0; i < weights.size(); ++i) {
      const at::Tensor& wanted = expected.parameters()[i].tensor;
      EXPECT_EQ(weights[i].tensor.scalar_type(), at::kFloat);
      EXPECT_TRUE(at::allclose(weights[i].tensor, wanted, 1e-6, 1e-6))
          << weights[i].name;
      EXPECT_TRUE(at::equal(model->working().parameters()[i].tensor,
                            weights[i].tensor.to(dtype)))
          << weights[i].name;
    }
  }
}

TEST(AdaptedModelTest, RanksSumTheirGradients) {
  SingleCommunicator alone;
  const auto whole = Adapted(&alone);
  ASSERT_NO_FATAL_FAILURE(Move(*whole));
  std::vector<at::Tensor> start;
  for (const NamedTensor& p : whole->parameters()) {
    start.push_back(p.tensor.detach().clone());
  }
  whole->BeginStep();
  for (const int32_t token : {11, 12}) Loss(whole->working(), token).backward();
  OnRanks(2, absl::Seconds(30), [&](Communicator& communicator) {
    const auto part = Adapted(&communicator);
    std::vector<at::Tensor> own;
    for (const NamedTensor& p : part->parameters()) own.push_back(p.tensor);
    ASSERT_OK_AND_ASSIGN(const NamedTensors named, part->Gather(start));
    ASSERT_OK(part->Scatter(named, own));
    part->Refresh();
    part->BeginStep();
    part->ExpectLastPass();
    Loss(part->working(), 11 + communicator.rank()).backward();
    part->CollectGradients();
    ASSERT_OK(part->ReduceGradients());
    for (size_t i = 0; i < own.size(); ++i) {
      const at::Tensor expected = whole->parameters()[i].tensor.grad();
      EXPECT_LT((own[i].grad() - expected).norm().item<double>(),
                1e-5 * expected.norm().item<double>());
    }
  });
}

TEST(AdaptedModelTest, OnlyFactorsAndAScoreHeadAreTrained) {
  SingleCommunicator alone;
  const auto policy = Adapted(&alone);
  for (const NamedTensor& p : policy->parameters()) {
    EXPECT_THAT(p.name, testing::AllOf(testing::StartsWith("model.layers."),
                                       testing::HasSubstr("_proj.lora_")));
    EXPECT_EQ(std::min(p.tensor.size(0), p.tensor.size(1)), 3) << p.name;
  }
  const Transformer trunk = MakeTinyModel(2);
  NamedTensors weights = trunk.parameters();
  weights.push_back(
      {"score.weight", trunk.parameters()[0].tensor.narrow(0, 0, 1).clone()});
  ASSERT_OK_AND_ASSIGN(
      Transformer critic,
      Transformer::Create(
          AsPreferenceModel(trunk.config(), trunk.config().num_layers, 0),
          std::move(weights)));
  const auto model = MakeAdaptedModel(
      std::move(critic), {}, {.prefix = "critic.", .lora = kLora}, &alone);
  EXPECT_EQ(model->parameters().back().name, "critic.score.weight");
  model->BeginStep();
  model->working()
      .Scores(model->working().Forward(Pack({{7, 4, 5}}, at::kCPU)))
      .sum()
      .backward();
  model->CollectGradients();
  EXPECT_TRUE(model->parameters().back().tensor.grad().defined());
}

}  // namespace
}  // namespace rlhf
