#include "trainer/preference/pairwise_loss.h"

#include <ATen/TensorOperators.h>

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"

namespace rlhf {
namespace {

double Loss(const at::Tensor& chosen_P, const at::Tensor& rejected_P) {
  return ComputePairwiseLoss(chosen_P, rejected_P).loss_sum.item<double>();
}

TEST(ComputePairwiseLossTest, MatchesHandComputedValues) {
  // Equal scores: log 2. One ahead by log 3: log(1 + 1/3). One behind by
  // log 3: log 4.
  const at::Tensor chosen_P = Row({1, std::log(3.0), 0});
  const at::Tensor rejected_P = Row({1, 0, std::log(3.0)});
  const PairwiseLoss result = ComputePairwiseLoss(chosen_P, rejected_P);
  EXPECT_NEAR(result.loss_sum.item<double>(),
              std::log(2.0) + std::log(4.0 / 3) + std::log(4.0), 1e-14);
  // A tie is not correct.
  EXPECT_EQ(result.correct_count.item<int64_t>(), 1);
  EXPECT_EQ(result.num_pairs, 3);
}

TEST(ComputePairwiseLossTest, MatchesTheReference) {
  const Json fixture = ReadMathFixture("pairwise_loss");
  for (const Precision& precision : Precisions()) {
    const at::Tensor chosen_P =
        Row(Doubles(fixture["chosen"]), precision.dtype).requires_grad_();
    const at::Tensor rejected_P =
        Row(Doubles(fixture["rejected"]), precision.dtype).requires_grad_();
    const PairwiseLoss result = ComputePairwiseLoss(chosen_P, rejected_P);
    result.loss_sum.backward();
    const std::vector<double> gradient = Doubles(fixture["chosen_gradient"]);
    EXPECT_THAT(
        Elements(result.loss_sum),
        Near(std::vector<double>{fixture["loss_sum"]}, precision.tolerance));
    EXPECT_THAT(Elements(chosen_P.grad()), Near(gradient, precision.tolerance));
    EXPECT_THAT(Elements(-rejected_P.grad()),
                Near(gradient, precision.tolerance));
    EXPECT_EQ(result.correct_count.item<int64_t>(),
              fixture["correct_count"].get<int64_t>());
  }
}

TEST(ComputePairwiseLossTest, WithWorkersMatchesTheReference) {
  const Json fixture = ReadMathFixture("worker_loss");
  for (const Precision& precision : Precisions()) {
    const auto row = [&](const char* name) {
      return Row(Doubles(fixture[name]), precision.dtype);
    };
    const at::Tensor chosen_P = row("chosen").requires_grad_();
    const at::Tensor rejected_P = row("rejected").requires_grad_();
    const PairwiseLoss result =
        ComputePairwiseLoss(chosen_P, rejected_P, row("weight"),
                            {row("temperature"), row("offset")});
    result.loss_sum.backward();
    const std::vector<double> gradient = Doubles(fixture["chosen_gradient"]);
    EXPECT_THAT(
        Elements(result.loss_sum),
        Near(std::vector<double>{fixture["loss_sum"]}, precision.tolerance));
    EXPECT_THAT(Elements(chosen_P.grad()), Near(gradient, precision.tolerance));
    EXPECT_THAT(Elements(-rejected_P.grad()),
                Near(gradient, precision.tolerance));
  }
}

// A worker who says nothing has log 2 whatever the scores are; one with a bias
// of log 3 chose the left side with probability 3/4, and the right with 1/4.
TEST(ComputePairwiseLossTest, ABiasIsNoMeritOfTheResponse) {
  const PairwiseLoss result = ComputePairwiseLoss(
      Row({5, 1, 1}), Row({0, 1, 1}), {},
      {Row({0, 1, 1}), Row({0, std::log(3.0), -std::log(3.0)})});
  EXPECT_NEAR(result.loss_sum.item<double>(),
              std::log(2.0) + std::log(4.0 / 3) + std::log(4.0), 1e-14);
  EXPECT_EQ(result.correct_count.item<int64_t>(), 1);
}

TEST(ComputePairwiseLossTest, TheGradientIsTheSlopeOfTheLoss) {
  const std::vector<double> chosen = {1, -2, 0.5}, rejected = {0.5, 3, 0.5};
  const at::Tensor chosen_P = Row(chosen).requires_grad_();
  const at::Tensor rejected_P = Row(rejected).requires_grad_();
  ComputePairwiseLoss(chosen_P, rejected_P).loss_sum.backward();
  const double step = 1e-5;
  const auto slope = [&](std::vector<double> up, std::vector<double> down,
                         size_t i, bool of_chosen) {
    up[i] += step;
    down[i] -= step;
    const double rise =
        of_chosen
            ? Loss(Row(up), Row(rejected)) - Loss(Row(down), Row(rejected))
            : Loss(Row(chosen), Row(up)) - Loss(Row(chosen), Row(down));
    return rise / (2 * step);
  };
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto pair = static_cast<int64_t>(i);
    EXPECT_NEAR(chosen_P.grad()[pair].item<double>(),
                slope(chosen, chosen, i, true), 1e-9);
    EXPECT_NEAR(rejected_P.grad()[pair].item<double>(),
                slope(rejected, rejected, i, false), 1e-9);
  }
}

TEST(ComputePairwiseLossTest, AConstantOnBothScoresChangesNothing) {
  const at::Tensor chosen_P = Row({1, 2});
  const at::Tensor rejected_P = Row({3, 0.5});
  EXPECT_DOUBLE_EQ(Loss(chosen_P + 64, rejected_P + 64),
                   Loss(chosen_P, rejected_P));
}

TEST(ComputePairwiseLossTest, IsExactForHugeDifferences) {
  for (const Precision& precision : Precisions()) {
    const at::Tensor high = Row({1000}, precision.dtype).requires_grad_();
    const at::Tensor low = Row({-1000}, precision.dtype);
    EXPECT_EQ(Loss(high, low), 0);
    const at::Tensor wrong = ComputePairwiseLoss(low, high).loss_sum;
    EXPECT_EQ(wrong.item<double>(), 2000);
    wrong.backward();
    EXPECT_THAT(Elements(high.grad()), Near(std::vector<double>{1}, 0.0));
  }
}

TEST(ComputePairwiseLossTest, EmptyBatchGivesZeroNotNan) {
  EXPECT_EQ(Loss(Row({}), Row({})), 0);
}

TEST(ComputePairwiseLossDeathTest, DiesOnDifferentShapes) {
  EXPECT_DEATH(Loss(Row({1, 2}), Row({1})), "shapes \\[2\\] and \\[1\\]");
}

}  // namespace
}  // namespace rlhf
