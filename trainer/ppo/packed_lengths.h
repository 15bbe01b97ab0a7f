// The form of every batch in this folder: responses laid end to end, no
// padding, so no masks.
//
// Shape letters in this folder: S responses (sequences), N tokens of all
// responses together. `lengths` holds the tokens of each response; token 0 of
// response s is element lengths[0] + … + lengths[s - 1] of an [N] tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rlhf {

// Dies unless every length is at least 1 and their sum is the size of the
// one-dimensional `values_N`. No responses and no tokens are fine.
void CheckPacked(const at::Tensor& values_N, absl::Span<const int64_t> lengths);

// Returns the position in [0, N) of each response's last token.
std::vector<int64_t> LastPositions(absl::Span<const int64_t> lengths);

}  // namespace rlhf
