// Rotary position embeddings (Su et al. 2021, arXiv:2104.09864, eq. 34), in the
// half-split layout of Hugging Face's Llama.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/nn/model_config.h"

namespace rlhf {

// Cosines and sines for some positions, each [T, 1, W].
struct RotaryTable {
  at::Tensor cos;
  at::Tensor sin;
};

RotaryTable MakeRotaryTable(const ModelConfig& config,
                            const at::Tensor& position_T);

}  // namespace rlhf
