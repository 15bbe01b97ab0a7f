// Sequences laid end to end, without padding: what every forward pass takes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rlhf {

// Shape letters in this folder: S sequences, T tokens of all sequences, N
// chosen tokens, B rows decoded at once, L cached positions, D hidden width,
// H query heads, K key-value heads, W head width, V vocabulary.
struct PackedBatch {
  // [T], int64: sequence after sequence.
  at::Tensor token_T;
  // [T], int64: 0, 1, 2, … within each sequence.
  at::Tensor position_T;
  // Tokens per sequence; all >= 1, their sum is T.
  std::vector<int64_t> lengths;
};

// Packs token sequences. Dies if one is empty or there is none.
PackedBatch Pack(absl::Span<const std::vector<int32_t>> sequences,
                 at::Device device);

}  // namespace rlhf
