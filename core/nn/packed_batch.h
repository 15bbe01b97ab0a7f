// Sequences laid end to end, without padding, and what they begin with alike
// laid down once: what every forward pass takes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rlhf {

// Tokens in a row that one sequence has alone, or that several share because
// they and everything before them are equal.
struct Segment {
  // The segment that holds the tokens before; -1 where sequences begin.
  int64_t parent = -1;
  // Its first row, and its tokens.
  int64_t begin = 0;
  int64_t length = 0;
  // The position of its first token within the sequence.
  int64_t position = 0;
};

// Shape letters in this folder: S sequences, T tokens laid down, N chosen
// tokens, B rows decoded at once, L cached positions, D hidden width, H query
// heads, K key-value heads, W head width, V vocabulary.
struct PackedBatch {
  // The row of a token of a sequence.
  int64_t RowOf(size_t sequence, int64_t position) const;
  // The row of the last token of each sequence.
  std::vector<int64_t> LastRows() const;
  // The segments of a sequence, first to last.
  std::vector<int64_t> PathOf(size_t sequence) const;

  // [T], int64: segment after segment.
  at::Tensor token_T;
  // [T], int64: the position of each token in its sequence.
  at::Tensor position_T;
  // A forest: parents stand before their children, and rows follow one another.
  std::vector<Segment> segments;
  // By sequence: its number of tokens, and the segment that it ends with.
  std::vector<int64_t> lengths;
  std::vector<int64_t> last_segments;
};

// Packs token sequences as a prefix tree: equal beginnings of at least four
// tokens are laid down once. As attention looks back only, their keys, values
// and hidden states are the same for all who share them, and gradients of all
// add up in them. Dies if a sequence is empty or there is none.
PackedBatch Pack(absl::Span<const std::vector<int32_t>> sequences,
                 at::Device device);

}  // namespace rlhf
