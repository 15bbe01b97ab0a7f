#include "trainer/preference/influence.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/nn/sequence_scores.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/preference/pairwise_loss.h"
#include "trainer/preference/pm_fixtures.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

Transformer TrainedOn(const std::vector<PmExample>& examples) {
  Transformer pm = MakeUntrainedPm();
  EXPECT_OK(TrainPreferenceModel(pm, examples, QuickTraining(), [](double) {
              return true;
            }).status());
  return pm;
}

at::Tensor HeadOf(const Transformer& pm) {
  for (const NamedTensor& p : pm.parameters()) {
    if (p.name == "score.weight") return p.tensor;
  }
  return {};
}

// The head's gradient of one pair's loss, by autograd.
at::Tensor GradientOf(const Transformer& pm, const PmExample& example) {
  const at::Tensor head = HeadOf(pm);
  head.set_requires_grad(true);
  head.mutable_grad().reset();
  const std::vector<std::vector<int32_t>> sides = {example.chosen,
                                                   example.rejected};
  const at::Tensor score = LastTokenScores(pm, sides);
  ComputePairwiseLoss(score.slice(0, 0, 1), score.slice(0, 1, 2))
      .loss_sum.backward();
  const at::Tensor gradient = head.grad().flatten().clone();
  head.set_requires_grad(false);
  return gradient;
}

TEST(InfluenceOnHeldOutTest, IsTheProductOfTheHeadsGradients) {
  const std::vector<PmExample> training = PlantedPairs(6, 1);
  const std::vector<PmExample> held_out = PlantedPairs(3, 2);
  const Transformer pm = TrainedOn(training);
  ASSERT_OK_AND_ASSIGN(const auto found,
                       InfluenceOnHeldOut(pm, training, held_out, 40));
  at::Tensor wanted = GradientOf(pm, held_out[0]);
  wanted =
      (wanted + GradientOf(pm, held_out[1]) + GradientOf(pm, held_out[2])) / 3;
  ASSERT_EQ(found.size(), 6u);
  for (size_t i = 0; i < found.size(); ++i) {
    const double expected =
        at::dot(GradientOf(pm, training[i]), wanted).item<double>();
    EXPECT_NEAR(found[i].score, expected, 1e-5 * (1e-3 + std::abs(expected)));
  }
}

// A tenth of 200 training pairs are turned round; those that pull hardest away
// from what is held out are mostly these.
TEST(InfluenceOnHeldOutTest, FlippedLabelsAreTheMostDamaging) {
  std::vector<PmExample> training = PlantedPairs(200, 1);
  std::set<size_t> flipped;
  for (size_t i = 0; i < training.size(); i += 10) {
    std::swap(training[i].chosen, training[i].rejected);
    flipped.insert(i);
  }
  const Transformer pm = TrainedOn(training);
  ASSERT_OK_AND_ASSIGN(
      const auto found,
      InfluenceOnHeldOut(pm, training, PlantedPairs(100, 2), 2048));
  std::vector<size_t> order(found.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return found[a].score < found[b].score;
  });
  int caught = 0;
  for (size_t i = 0; i < flipped.size(); ++i) {
    caught += flipped.contains(order[i]) ? 1 : 0;
  }
  // By chance it would be 2 of 20.
  EXPECT_GE(caught, 14);
  EXPECT_LT(found[order[0]].score, 0);
}

TEST(InfluenceOnHeldOutTest, WeightsAndTemperaturesCount) {
  std::vector<PmExample> training = PlantedPairs(2, 1);
  training[1] = training[0];
  training[1].loss_weight = 3;
  const Transformer pm = TrainedOn(PlantedPairs(32, 3));
  ASSERT_OK_AND_ASSIGN(
      const auto found,
      InfluenceOnHeldOut(pm, training, PlantedPairs(4, 2), 2048));
  EXPECT_NEAR(found[1].score, 3 * found[0].score,
              1e-9 * std::abs(found[0].score));
  training[1].temperature = 0;
  ASSERT_OK_AND_ASSIGN(
      const auto silent,
      InfluenceOnHeldOut(pm, training, PlantedPairs(4, 2), 2048));
  EXPECT_EQ(silent[1].score, 0);
}

TEST(InfluenceOnHeldOutTest, NothingHeldOutIsTheCallersMistake) {
  EXPECT_THAT(
      InfluenceOnHeldOut(MakeUntrainedPm(), PlantedPairs(2, 1), {}, 100),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("no comparison is held out")));
}

}  // namespace
}  // namespace rlhf
