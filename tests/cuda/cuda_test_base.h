// The base of tests that need a GPU.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <algorithm>

#include "core/comm/named_tensor.h"
#include "core/nn/device.h"
#include "gtest/gtest.h"

namespace rlhf {

// What float32 on a GPU may differ by from float32 on the CPU: another order of
// summation, no TF32.
inline constexpr double kClose = 1e-3;

class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<at::Device> found = FindDevice("this test", "cuda");
    if (!found.ok()) GTEST_SKIP() << found.status();
    device_ = *found;
  }

  at::Device device_ = at::kCPU;
};

// The largest difference between two tensors, wherever they are.
inline double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  return (a.detach().to(at::kCPU, at::kDouble) -
          b.detach().to(at::kCPU, at::kDouble))
      .abs()
      .max()
      .item<double>();
}

// The same over tensors of the same names, in any order.
inline double MaxDifference(NamedTensors a, NamedTensors b) {
  for (NamedTensors* tensors : {&a, &b}) {
    std::sort(tensors->begin(), tensors->end(),
              [](const NamedTensor& x, const NamedTensor& y) {
                return x.name < y.name;
              });
  }
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    largest = std::max(largest, MaxDifference(a[i].tensor, b[i].tensor));
  }
  return largest;
}

}  // namespace rlhf
