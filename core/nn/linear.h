// Products with weights, by the way that is fastest on this processor.
#pragma once

#include <ATen/core/Tensor.h>

namespace rlhf {

// x [.., in], weight [out, in], bias [out] or undefined; returns [.., out].
//
// On processors whose bfloat16 instructions are slower than their float32 ones
// (docs/decisions/0015-update-cost.md), bfloat16 numbers are multiplied as
// float32 and the sum is rounded once: what the instructions do, too. Which way
// is taken depends on the processor and the number of rows alone.
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& bias = {});

// Whether products of `x` are to be computed in float32 though it is bfloat16.
bool MultipliesInFloat32(const at::Tensor& x);

}  // namespace rlhf
