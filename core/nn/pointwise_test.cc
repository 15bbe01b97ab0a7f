#include "core/nn/pointwise.h"

#include <ATen/TensorOperators.h>
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
