// The parts of a layer between its matrix products. They keep for the backward
// pass what cannot be made again cheaply: an update's memory is mostly what
// forward passes keep.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/rotary.h"

namespace rlhf {

// x / sqrt(mean(x²) + eps) * weight over the last dimension (Zhang & Sennrich
// 2019, arXiv:1910.07467, eq. 4), computed in float32. Keeps x.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

// silu(gate) * up (Shazeer 2020, arXiv:2002.05202, eq. 6). Keeps both.
at::Tensor Swiglu(const at::Tensor& gate, const at::Tensor& up);

// Rotates queries or keys [T, heads, W] (rotary.h). Keeps the angles.
at::Tensor ApplyRotary(const at::Tensor& x, const RotaryTable& table);

}  // namespace rlhf
