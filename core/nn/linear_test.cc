#include "core/nn/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>

#include <vector>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

double Difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<double>();
}

// bfloat16 has eight bits, and these products are of numbers near 1.
double ToleranceOf(at::ScalarType dtype) {
  return dtype == at::kBFloat16 ? 0.05 : 1e-4;
}

TEST(LinearTest, IsThatOfLibTorchForFewRowsAndMany) {
  const c10::NoGradGuard no_grad;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor weight = at::randn({24, 16}).to(dtype);
    const at::Tensor bias = at::randn({24}).to(dtype);
    for (const int64_t rows : {1, 16, 100}) {
      const at::Tensor x = at::randn({rows, 16}).to(dtype);
      for (const at::Tensor& b : {at::Tensor(), bias}) {
        const at::Tensor y = Linear(x, weight, b);
        EXPECT_EQ(y.scalar_type(), dtype);
        EXPECT_TRUE(y.is_contiguous());
        EXPECT_LT(Difference(y, at::linear(x, weight, b)), ToleranceOf(dtype));
      }
    }
  }
}

// The gradients of (f(x, weight, bias) * upstream).sum().
template <typename F>
std::vector<at::Tensor> Gradients(F&& f, const std::vector<at::Tensor>& inputs,
                                  const at::Tensor& upstream) {
  const at::Tensor bias = inputs.size() > 2 ? inputs[2] : at::Tensor();
  (f(inputs[0], inputs[1], bias) * upstream).sum().backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& input : inputs) {
    gradients.push_back(input.grad());
    input.mutable_grad().reset();
  }
  return gradients;
}

TEST(LinearTest, GradientsAreThoseOfLibTorch) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto leaf = [dtype](at::IntArrayRef shape) {
      return at::randn(shape).to(dtype).requires_grad_(true);
    };
    const std::vector<at::Tensor> inputs = {leaf({100, 16}), leaf({24, 16}),
                                            leaf({24})};
    const at::Tensor upstream = at::randn({100, 24}).to(dtype);
    for (const size_t count : {2, 3}) {  // without and with a bias
      const std::vector<at::Tensor> given(
          inputs.begin(), inputs.begin() + static_cast<ptrdiff_t>(count));
      const auto ours = Gradients(Linear, given, upstream);
      const auto theirs = Gradients(
          [](const at::Tensor& x, const at::Tensor& weight,
             const at::Tensor& bias) { return at::linear(x, weight, bias); },
          given, upstream);
      for (size_t i = 0; i < count; ++i) {
        EXPECT_EQ(ours[i].scalar_type(), dtype);
        // Sums over 100 rows.
        EXPECT_LT(Difference(ours[i], theirs[i]), 10 * ToleranceOf(dtype)) << i;
      }
    }
  }
}

}  // namespace
}  // namespace rlhf
