// The three kinds of attention of transformer.h, over heads that share
// key-value heads (grouped-query attention).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/nn/kv_cache.h"

namespace rlhf {

// Causal attention within each sequence of a packed batch.
// query [T, H, W], key and value [T, K, W]; returns [T, H * W].
at::Tensor PackedAttention(const at::Tensor& query_THW,
                           const at::Tensor& key_TKW,
                           const at::Tensor& value_TKW,
                           absl::Span<const int64_t> lengths);

// Writes the keys and values of a packed batch to rows of one layer's cache,
// from position 0.
void StorePrefill(const at::Tensor& key_TKW, const at::Tensor& value_TKW,
                  absl::Span<const int64_t> lengths,
                  absl::Span<const int64_t> rows, at::Tensor& key_cache,
                  at::Tensor& value_cache);

// What all layers of one decode step share.
struct DecodePlan {
  // [B]: the row of each token, and the position it is written to.
  at::Tensor row_B;
  at::Tensor position_B;
  // [B, 1, 1, L]: 0 where a row may look, -inf beyond its end.
  at::Tensor mask;
  int64_t num_positions = 0;
};

DecodePlan PlanDecode(const KvCache& cache, at::Device device);

// One new token per row: stores its key and value, attends over the row.
// query [B, H, W], key and value [B, K, W]; returns [B, H * W].
at::Tensor DecodeAttention(const DecodePlan& plan, const at::Tensor& query_BHW,
                           const at::Tensor& key_BKW,
                           const at::Tensor& value_BKW, at::Tensor& key_cache,
                           at::Tensor& value_cache);

}  // namespace rlhf
