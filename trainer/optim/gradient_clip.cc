#include "trainer/optim/gradient_clip.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "core/base/check.h"

namespace rlhf {
namespace {

// Elements converted to float64 at a time: 8 MB.
constexpr int64_t kSliceElements = 1 << 20;

}  // namespace

double SquaredNorm(const std::vector<at::Tensor>& tensors) {
  if (tensors.empty()) return 0;
  const at::NoGradGuard no_gradient;
  // Stays on the device, so that it is read only once.
  const at::Tensor total =
      at::zeros({}, tensors[0].options().dtype(at::kDouble));
  for (const at::Tensor& tensor : tensors) {
    for (const at::Tensor& slice : tensor.reshape(-1).split(kSliceElements)) {
      const at::Tensor exact = slice.to(at::kDouble);
      total.add_(at::dot(exact, exact));
    }
  }
  return total.item<double>();
}

double ClipFactor(double squared_norm, double max_norm) {
  RLHF_CHECK(std::isfinite(squared_norm) && squared_norm >= 0) << squared_norm;
  RLHF_CHECK(max_norm > 0) << max_norm;
  return std::min(1.0, max_norm / (std::sqrt(squared_norm) + 1e-6));
}

void Scale(const std::vector<at::Tensor>& tensors, double factor) {
  if (tensors.empty() || factor == 1) return;
  const at::NoGradGuard no_gradient;
  at::_foreach_mul_(tensors, factor);
}

}  // namespace rlhf
