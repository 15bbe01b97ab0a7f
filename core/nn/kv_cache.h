// Keys and values of the sequences that are being generated.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/nn/model_config.h"

namespace rlhf {

// Rows 0 to num_rows()-1 are in use, always without a hole, so that attention
// reads plain slices. What no row holds is zero, whoever was there before:
// attention reads rows up to the longest one's end and gives what is beyond
// their own a weight of 0, and 0 times NaN or infinity is NaN. Memory is
// allocated by the constructor and by Reshape, and nowhere else. Not
// thread-safe.
class KvCache {
 public:
  // `max_rows` sequences of at most `max_tokens` tokens each; `options` say
  // what a number is and where.
  KvCache(const ModelConfig& config, int64_t max_rows, int64_t max_tokens,
          const at::TensorOptions& options);

  int64_t num_rows() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t max_rows() const { return max_rows_; }
  int64_t max_tokens() const { return max_tokens_; }
  at::ScalarType dtype() const { return dtype_; }
  // Tokens cached in each row.
  const std::vector<int64_t>& lengths() const { return lengths_; }

  // Adds an empty row and returns its index. Dies if all are in use.
  int64_t AddRow();

  // Frees a row; the last row takes its index.
  void RemoveRow(int64_t row);

  // Notes that `count` tokens were written to `row` in every layer.
  void Advance(int64_t row, int64_t count) { lengths_[row] += count; }

  // Frees all rows, after a pass that may have written more than was noted:
  // writes all of the memory.
  void Clear();

  // Makes row `to` equal to row `from` of another cache, of the same model and
  // device. Dies if it is too short.
  void CopyFrom(KvCache& other, int64_t from, int64_t to);

  // Cuts the memory anew; what the rows hold stays. Dies if a row does not fit.
  // Throws as LibTorch does if there is no memory for it.
  void Reshape(int64_t max_rows, int64_t max_tokens);

  // [max_rows, K, max_tokens, W].
  at::Tensor& key(int64_t layer) { return keys_[layer]; }
  at::Tensor& value(int64_t layer) { return values_[layer]; }

 private:
  // Copies the first `length` positions of row `from` into `to`.
  void CopyRow(int64_t from, int64_t to, int64_t length);
  // Makes the positions [begin, end) of a row zero.
  void ZeroRow(int64_t row, int64_t begin, int64_t end);

  int64_t max_rows_;
  int64_t max_tokens_;
  const at::ScalarType dtype_;
  std::vector<at::Tensor> keys_;
  std::vector<at::Tensor> values_;
  std::vector<int64_t> lengths_;
};

}  // namespace rlhf
