#include "trainer/optim/adamw.h"

#include <ATen/ops/zeros.h>

#include <cmath>

#include "gtest/gtest.h"
#include "tests/fixtures/math/fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

at::Tensor Parameter(const std::vector<double>& values,
                     at::ScalarType dtype = at::kDouble) {
  return Row(values, dtype).requires_grad_();
}

void SetGradient(at::Tensor parameter, const std::vector<double>& values) {
  parameter.mutable_grad() = Row(values, parameter.scalar_type());
}

AdamW OneGroup(const NamedTensors& parameters, double learning_rate = 0.1,
               const AdamWOptions& options = {}) {
  return AdamW({{parameters, learning_rate}}, options);
}

TEST(AdamWTest, FirstStepMatchesHandComputedValues) {
  const at::Tensor w = Parameter({2, 2});
  SetGradient(w, {3, 0});
  OneGroup({{"w", w}}, /*learning_rate=*/0.1,
           {.epsilon = 1, .weight_decay = 0.5})
      .Step();
  // After bias correction m = g and sqrt(v) = |g| = 3, so the step is
  // 3 / (3 + 1); before it, 2 shrinks to 2 * (1 - 0.1 * 0.5) = 1.9.
  EXPECT_THAT(Elements(w),
              Near(std::vector<double>{1.9 - 0.1 * 0.75, 1.9}, 1e-12));
}

TEST(AdamWTest, FollowsTorchOverTwentySteps) {
  const Json fixture = ReadMathFixture("adamw");
  const AdamWOptions options = {.beta1 = fixture["beta1"],
                                .beta2 = fixture["beta2"],
                                .epsilon = fixture["epsilon"],
                                .weight_decay = fixture["weight_decay"]};
  for (const Precision& precision : Precisions()) {
    std::vector<at::Tensor> parameters;
    std::vector<ParameterGroup> groups;
    for (size_t i = 0; i < 2; ++i) {
      parameters.push_back(
          Parameter(Doubles(fixture["initial"][i]), precision.dtype));
      groups.push_back(
          {{{std::string(1, static_cast<char>('a' + i)), parameters[i]}},
           fixture["learning_rates"][i]});
    }
    AdamW optimizer(groups, options);
    for (const Json& step : fixture["steps"]) {
      for (size_t i = 0; i < 2; ++i) {
        SetGradient(parameters[i], Doubles(step["gradients"][i]));
      }
      optimizer.Step();
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_THAT(Elements(parameters[i]),
                    Near(Doubles(step["parameters"][i]), precision.tolerance));
      }
    }
  }
}

// TensorFlow's Adam, and so the code of lm-human-preferences, adds epsilon
// before the bias correction. In step t that is our epsilon divided by
// sqrt(1 - beta2^t): what AdamWOptions says of the first step, for all.
TEST(AdamWTest, TensorFlowsEpsilonIsOursWithoutTheBiasCorrection) {
  const double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-2, rate = 0.1;
  const at::Tensor w = Parameter({1});
  NamedTensors state;
  double theirs = 1, average = 0, square_average = 0;
  for (int t = 1; t <= 20; ++t) {
    const double gradient = std::sin(t) * std::pow(10, -t % 4);
    average = beta1 * average + (1 - beta1) * gradient;
    square_average = beta2 * square_average + (1 - beta2) * gradient * gradient;
    const double correction = std::sqrt(1 - std::pow(beta2, t));
    theirs -= rate * correction / (1 - std::pow(beta1, t)) * average /
              (std::sqrt(square_average) + epsilon);

    AdamW optimizer = OneGroup(
        {{"w", w}}, rate,
        {.beta1 = beta1, .beta2 = beta2, .epsilon = epsilon / correction});
    if (t > 1) {
      ASSERT_OK(optimizer.ImportState(state));
    }
    SetGradient(w, {gradient});
    optimizer.Step();
    state = optimizer.ExportState();
    EXPECT_NEAR(w.item<double>(), theirs, 1e-12) << t;
  }
}

TEST(AdamWTest, LeavesParametersWithoutGradientAlone) {
  const at::Tensor still = Parameter({5});
  const at::Tensor moved = Parameter({5});
  SetGradient(moved, {1});
  AdamW optimizer = OneGroup({{"still", still}, {"moved", moved}}, 0.1,
                             {.weight_decay = 0.5});
  optimizer.Step();
  EXPECT_THAT(Elements(still), ElementsAre(5));
  EXPECT_LT(moved.item<double>(), 5);
  EXPECT_EQ(optimizer.Gradients().size(), 1u);
  optimizer.ClearGradients();
  EXPECT_TRUE(optimizer.Gradients().empty());
}

TEST(AdamWTest, SetLearningRateIsPerGroup) {
  const at::Tensor a = Parameter({1});
  const at::Tensor b = Parameter({1});
  SetGradient(a, {1});
  SetGradient(b, {1});
  AdamW optimizer({{{{"a", a}}, 0.1}, {{{"b", b}}, 0.1}}, {});
  optimizer.SetLearningRate(0, 0);
  optimizer.Step();
  EXPECT_EQ(a.item<double>(), 1);
  EXPECT_NEAR(b.item<double>(), 0.9, 1e-5);
}

TEST(AdamWTest, ExportedStateIsNamedAfterTheParameters) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] :
       OneGroup({{"w", Parameter({1})}}).ExportState()) {
    names.push_back(name);
  }
  EXPECT_THAT(names, ElementsAre("w.step", "w.exp_avg", "w.exp_avg_sq"));
}

// Steps `w` with `optimizer` for the gradients first, first + 1, ...
void TakeSteps(AdamW& optimizer, const at::Tensor& w, int first, int count) {
  for (int i = first; i < first + count; ++i) {
    SetGradient(w, {std::sin(i), std::cos(i)});
    optimizer.Step();
  }
}

TEST(AdamWTest, ARestoredOptimizerGoesOnBitForBit) {
  const at::Tensor w = Parameter({1, -1}, at::kFloat);
  AdamW whole = OneGroup({{"w", w}});
  TakeSteps(whole, w, 0, 3);
  const at::Tensor restored_w = w.detach().clone().requires_grad_();
  NamedTensors saved;
  for (const auto& [name, tensor] : whole.ExportState()) {
    saved.push_back({name, tensor.clone()});
  }
  TakeSteps(whole, w, 3, 3);

  AdamW restored = OneGroup({{"w", restored_w}});
  ASSERT_OK(restored.ImportState(saved));
  TakeSteps(restored, restored_w, 3, 3);
  EXPECT_EQ(Elements(restored_w), Elements(w));
}

TEST(AdamWTest, RefusesStateOfAnotherModelAndKeepsItsOwn) {
  const at::Tensor w = Parameter({1, 2});
  AdamW optimizer = OneGroup({{"w", w}});
  const NamedTensors good = {{"w.step", at::zeros({})},
                             {"w.exp_avg", Row({7, 7})},
                             {"w.exp_avg_sq", Row({7, 7})}};

  NamedTensors missing = good;
  missing.pop_back();
  EXPECT_THAT(optimizer.ImportState(missing),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("lacks the tensor w.exp_avg_sq")));
  NamedTensors misshapen = good;
  misshapen[2].tensor = Row({7, 7, 7});
  EXPECT_THAT(
      optimizer.ImportState(misshapen),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("w.exp_avg_sq has shape [3], this model wants [2]")));
  NamedTensors extra = good;
  extra.push_back({"v.step", at::zeros({})});
  EXPECT_THAT(optimizer.ImportState(extra),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has the tensor v.step")));
  EXPECT_THAT(Elements(optimizer.ExportState()[1].tensor), ElementsAre(0, 0));
}

TEST(AdamWDeathTest, DiesOnTwoParametersOfOneName) {
  EXPECT_DEATH(OneGroup({{"w", Parameter({1})}, {"w", Parameter({1})}}),
               "two parameters named w");
}

}  // namespace
}  // namespace rlhf
