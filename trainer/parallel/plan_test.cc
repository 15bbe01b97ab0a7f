#include "trainer/parallel/plan.h"

#include <ATen/core/Tensor.h>

#include "core/nn/transformer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/peak_memory.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

TEST(PlanTest, BlocksAreThoseOfTheModel) {
  const Transformer model = MakeTinyModel(1);
  const auto count = [](const NamedTensors& tensors) {
    int64_t elements = 0;
    for (const NamedTensor& p : tensors) elements += p.tensor.numel();
    return elements;
  };
  const BlockSizes sizes = BlocksOf(model.config(), true);
  EXPECT_EQ(sizes.layer, count(model.LayerParameters(1)));
  EXPECT_EQ(sizes.outer, count(model.OuterParameters()));
  EXPECT_EQ(sizes.value_head, 33);
  EXPECT_EQ(sizes.total(), count(model.parameters()) + 33);
}

TEST(PlanTest, NamedShapesHaveThePublishedNumberOfParameters) {
  const auto total = [](absl::string_view name) {
    return BlocksOf(*NamedShape(name), false).total();
  };
  EXPECT_EQ(total("135M"), 134'515'008);
  EXPECT_EQ(total("360M"), 361'821'120);
  EXPECT_EQ(total("1.7B"), 1'711'376'384);
  EXPECT_EQ(total("7B"), 6'738'415'616);
  EXPECT_EQ(total("13B"), 13'015'864'320);
  EXPECT_EQ(total("70B"), 68'976'648'192);
  EXPECT_THAT(NamedShape("8B"),
              StatusIs(absl::StatusCode::kNotFound,
                       testing::HasSubstr("135M, 360M, 1.7B, 7B, 13B, 70B")));
}

TEST(PlanTest, WorkIsDividedOverRanksAndMicroBatches) {
  v1::PpoConfig config;
  config.set_rollouts_per_update(64);
  config.set_num_minibatches(4);
  config.set_num_epochs(2);
  // Rollouts of 100 tokens: four together.
  const UpdateWork work = WorkOf(config, 450, 4, 60, 40);
  EXPECT_EQ(work.rollouts, 16);
  EXPECT_EQ(work.evaluation_passes, 4);
  EXPECT_EQ(work.steps, 8);
  EXPECT_EQ(work.passes_per_step, 1);  // 64 / 4 minibatches / 4 ranks / 4
}

TEST(PlanTest, ShardsHoldTheirPartAndSendNothingAlone) {
  PlanInput input = {.policy = *NamedShape("70B"),
                     .ranks = 1,
                     .work = {.rollouts = 8, .prompt_tokens = 256}};
  EXPECT_EQ(PlannedTraffic(input).total(), 0);
  const PlanMemory whole = PlannedMemory(input);
  EXPECT_EQ(whole.weights, 4 * (68'976'648'192 + 8193));
  input.ranks = 1024;
  EXPECT_EQ(PlannedMemory(input).weights, whole.weights);
  input.sharded = true;
  const PlanMemory share = PlannedMemory(input);
  EXPECT_NEAR(static_cast<double>(share.optimizer) /
                  static_cast<double>(whole.optimizer),
              1.0 / 1024, 1e-6);
  EXPECT_LT(share.activations, whole.activations);
}

TEST(PlanTest, RecomputingKeepsALayersInputOnly) {
  PlanInput input = {.policy = *NamedShape("7B"),
                     .ranks = 2,
                     .work = {.rollouts = 8, .prompt_tokens = 256}};
  const int64_t plain = PlannedMemory(input).activations;
  const double flops = PlannedFlops(input);
  input.recompute_activations = true;
  EXPECT_LT(PlannedMemory(input).activations, plain / 5);
  EXPECT_GE(PlannedFlops(input), flops);
}

// The formula is a count of what autograd keeps; here it is asked.
TEST(PlanTest, ActivationsAreThoseThatAPassLeaves) {
  const Transformer model = MakeTinyModel(1);
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
  }
  const auto kept = [&](int32_t num_tokens) {
    std::vector<std::vector<int32_t>> sequences(1);
    for (int32_t i = 0; i < num_tokens; ++i) sequences[0].push_back(3 + i);
    const PeakMemory memory;
    const at::Tensor hidden = model.Forward(Pack(sequences, at::kCPU));
    return static_cast<double>(memory.now_bytes());
  };
  const double per_token_and_layer = (kept(384) - kept(128)) / 256 / 2;
  EXPECT_NEAR(static_cast<double>(ActivationBytesPerToken(model.config(), 4)) /
                  per_token_and_layer,
              1, 0.2)
      << per_token_and_layer;
}

}  // namespace
}  // namespace rlhf
