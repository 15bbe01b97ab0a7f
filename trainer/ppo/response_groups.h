// Responses to one prompt, side by side.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rlhf {

// Shape letters of GRPO, RLOO and rejection sampling: S responses in G groups
// of K consecutive responses to one prompt.
//
// Returns the rewards of whole responses as [G, K], in float64. Dies unless
// `group_size` >= 1 divides S.
at::Tensor GroupRows(const at::Tensor& reward_S, int64_t group_size);

}  // namespace rlhf
