#include "core/nn/pointwise_kernels.h"

#include <bit>
#include <cmath>

#include "core/nn/vector_math.h"

namespace rlhf {
namespace {

inline float Sigmoid(float x) { return 1.F / (1.F + VectorExp(-x)); }

inline float InverseNorm(float sum_of_squares, float eps, int64_t width) {
  return 1.F / std::sqrt(sum_of_squares / static_cast<float>(width) + eps);
}

}  // namespace

RLHF_FOR_EACH_PROCESSOR
void RmsNormRow(const float* __restrict x, const float* __restrict weight,
                float eps, int64_t width, float* __restrict out) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < width; ++i) squares += x[i] * x[i];
  const float inverse = InverseNorm(squares, eps, width);
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) out[i] = x[i] * inverse * weight[i];
}

// With n the inverse norm and u = gradient * weight,
// d / dx = n * (u - x n * mean(u x n)).
RLHF_FOR_EACH_PROCESSOR
void RmsNormGradientRow(const float* __restrict x,
                        const float* __restrict weight,
                        const float* __restrict gradient, float eps,
                        int64_t width, float* __restrict x_gradient,
                        float* __restrict weight_gradient) {
  float squares = 0, product = 0;
#pragma omp simd reduction(+ : squares, product)
  for (int64_t i = 0; i < width; ++i) {
    squares += x[i] * x[i];
    product += gradient[i] * weight[i] * x[i];
  }
  const float inverse = InverseNorm(squares, eps, width);
  const float mean = product * inverse / static_cast<float>(width);
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    const float normed = x[i] * inverse;
    x_gradient[i] = inverse * (gradient[i] * weight[i] - normed * mean);
    weight_gradient[i] += gradient[i] * normed;
  }
}

RLHF_FOR_EACH_PROCESSOR
void SwigluRow(const float* __restrict gate, const float* __restrict up,
               int64_t width, float* __restrict out) {
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    out[i] = gate[i] * Sigmoid(gate[i]) * up[i];
  }
}

// silu'(x) = s (1 + x (1 - s)) with s the sigmoid of x.
RLHF_FOR_EACH_PROCESSOR
void SwigluGradientRow(const float* __restrict gate, const float* __restrict up,
                       const float* __restrict gradient, int64_t width,
                       float* __restrict gate_gradient,
                       float* __restrict up_gradient) {
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    const float s = Sigmoid(gate[i]);
    up_gradient[i] = gradient[i] * gate[i] * s;
    gate_gradient[i] = gradient[i] * up[i] * s * (1.F + gate[i] * (1.F - s));
  }
}

RLHF_FOR_EACH_PROCESSOR
void RotateRow(const float* __restrict x, const float* __restrict cos,
               const float* __restrict sin, float direction, int64_t heads,
               int64_t width, float* __restrict out) {
  const int64_t half = width / 2;
  for (int64_t h = 0; h < heads; ++h) {
    const float* const first = x + h * width;
    float* const to = out + h * width;
#pragma omp simd
    for (int64_t i = 0; i < half; ++i) {
      const float a = first[i], b = first[i + half];
      to[i] = a * cos[i] - direction * b * sin[i];
      to[i + half] = b * cos[i + half] + direction * a * sin[i + half];
    }
  }
}

RLHF_FOR_EACH_PROCESSOR
void WidenRow(const c10::BFloat16* __restrict x, int64_t width,
              float* __restrict out) {
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(x[i].x) << 16);
  }
}

RLHF_FOR_EACH_PROCESSOR
void NarrowRow(const float* __restrict x, int64_t width,
               c10::BFloat16* __restrict out) {
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    const auto bits = std::bit_cast<uint32_t>(x[i]);
    const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    // Rounding could make an infinity of a NaN.
    out[i].x = static_cast<uint16_t>(x[i] == x[i] ? rounded : uint32_t{0x7FC0});
  }
}

}  // namespace rlhf
