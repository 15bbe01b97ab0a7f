#include "core/nn/pointwise.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/silu.h>

#include <functional>
#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

using Inputs = std::vector<at::Tensor>;
using Function = std::function<at::Tensor(const Inputs&)>;

double Difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<double>();
}

// The value and the gradients of both are the same, within `tolerance`.
void ExpectSame(const Function& ours, const Function& theirs,
                const Inputs& inputs, double tolerance) {
  Inputs a, b;
  for (const at::Tensor& input : inputs) {
    a.push_back(input.clone().requires_grad_(true));
    b.push_back(input.clone().requires_grad_(true));
  }
  const at::Tensor x = ours(a), y = theirs(b);
  EXPECT_EQ(x.scalar_type(), y.scalar_type());
  EXPECT_LT(Difference(x, y), tolerance);
  const at::Tensor upstream = at::randn(x.sizes()).to(x.scalar_type());
  (x * upstream).sum().backward();
  (y * upstream).sum().backward();
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_EQ(a[i].grad().scalar_type(), inputs[i].scalar_type());
    EXPECT_LT(Difference(a[i].grad(), b[i].grad()), tolerance) << i;
  }
}

TEST(PointwiseTest, RmsNormIsThatOfLibTorch) {
  const auto ours = [](const Inputs& in) {
    return RmsNorm(in[0], in[1], 1e-5);
  };
  const auto theirs = [](const Inputs& in) {
    return at::rms_norm(in[0], {24}, in[1], 1e-5);
  };
  ExpectSame(ours, theirs, {at::randn({7, 24}), at::randn({24})}, 1e-5);
  ExpectSame(ours, theirs, {at::randn({7, 3, 24}), at::randn({24})}, 2e-5);
  ExpectSame(
      ours, theirs,
      {at::randn({7, 24}).to(at::kBFloat16), at::randn({24}).to(at::kBFloat16)},
      0.1);
}

// More rows than a block of them, and widths that fill no vector.
TEST(PointwiseTest, OddShapesAreThoseOfLibTorch) {
  for (const int64_t width : {1, 7, 24, 65, 576}) {
    for (const int64_t rows : {1, 31, 32, 100}) {
      ExpectSame([](const Inputs& in) { return RmsNorm(in[0], in[1], 1e-5); },
                 [width](const Inputs& in) {
                   return at::rms_norm(in[0], {width}, in[1], 1e-5);
                 },
                 {at::randn({rows, width}), at::randn({width})}, 1e-4);
      ExpectSame([](const Inputs& in) { return Swiglu(in[0], in[1]); },
                 [](const Inputs& in) { return at::silu(in[0]) * in[1]; },
                 {at::randn({rows, width}), at::randn({rows, width})}, 1e-5);
    }
  }
}

// float64 takes LibTorch's operations instead of the loops.
TEST(PointwiseTest, BothWaysOfTurningAgree) {
  ModelConfig config;
  config.head_dim = 6;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor position = at::arange(50, at::kLong);
    const RotaryTable table = MakeRotaryTable(config, position);
    const double tolerance = dtype == at::kFloat ? 1e-5 : 0.1;
    ExpectSame([&](const Inputs& in) { return ApplyRotary(in[0], table); },
               [&](const Inputs& in) {
                 return ApplyRotary(in[0].to(at::kDouble), table)
                     .to(in[0].scalar_type());
               },
               {at::randn({50, 3, 6}).to(dtype)}, tolerance);
  }
}

TEST(PointwiseTest, AViewThatIsNotContiguousIsReadAsItIs) {
  const at::Tensor wide = at::randn({40, 48});
  const at::Tensor weight = at::randn({24});
  const at::Tensor view = wide.narrow(1, 10, 24);
  EXPECT_LT(Difference(RmsNorm(view, weight, 1e-5),
                       at::rms_norm(view, {24}, weight, 1e-5)),
            1e-5);
  EXPECT_LT(Difference(Swiglu(view, wide.narrow(1, 0, 24)),
                       at::silu(view) * wide.narrow(1, 0, 24)),
            1e-5);
}

TEST(PointwiseTest, SwigluIsSiluTimesUp) {
  const auto ours = [](const Inputs& in) { return Swiglu(in[0], in[1]); };
  const auto theirs = [](const Inputs& in) { return at::silu(in[0]) * in[1]; };
  ExpectSame(ours, theirs, {at::randn({7, 24}), at::randn({7, 24})}, 1e-5);
  ExpectSame(ours, theirs,
             {at::randn({7, 24}).to(at::kBFloat16),
              at::randn({7, 24}).to(at::kBFloat16)},
             0.1);
}

}  // namespace
}  // namespace rlhf
