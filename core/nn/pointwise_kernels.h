// Loops over one row of float32 numbers, each compiled for several instruction
// sets of which the processor's best is taken when the program is loaded. What
// LibTorch does in five to ten operations, each a pass over memory, is one pass
// over a row that stays in the nearest cache.
//
// Pure; rows do not overlap. bfloat16 rows are widened before and narrowed
// after, so every formula is computed in float32 and rounded once.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace rlhf {

// out = x / sqrt(mean(x²) + eps) * weight.
void RmsNormRow(const float* x, const float* weight, float eps, int64_t width,
                float* out);

// From the gradient of `out`: that of x, and that of weight, which is added.
void RmsNormGradientRow(const float* x, const float* weight,
                        const float* gradient, float eps, int64_t width,
                        float* x_gradient, float* weight_gradient);

// out = silu(gate) * up.
void SwigluRow(const float* gate, const float* up, int64_t width, float* out);

void SwigluGradientRow(const float* gate, const float* up,
                       const float* gradient, int64_t width,
                       float* gate_gradient, float* up_gradient);

// Turns each of `heads` rows of `width` numbers, of which number i and number
// i + width / 2 are a point, by the angle i; `direction` 1 or, back, -1.
void RotateRow(const float* x, const float* cos, const float* sin,
               float direction, int64_t heads, int64_t width, float* out);

void WidenRow(const c10::BFloat16* x, int64_t width, float* out);
// To the nearest, ties to even.
void NarrowRow(const float* x, int64_t width, c10::BFloat16* out);

}  // namespace rlhf
