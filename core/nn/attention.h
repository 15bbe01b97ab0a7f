// The three kinds of attention of transformer.h, over heads that share
// key-value heads (grouped-query attention).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "core/nn/kv_cache.h"
#include "core/nn/packed_batch.h"

namespace rlhf {

// What all layers of one pass over a packed batch share.
struct PackedPlan {
  // By segment: the mask of its queries, [its length, position + length], 0
  // where they may look and -inf beyond; none for a segment that begins a
  // sequence, where it is plainly causal.
  std::vector<std::optional<at::Tensor>> masks;
};

// `options` are those of the queries.
PackedPlan PlanPacked(const PackedBatch& batch,
                      const at::TensorOptions& options);

// Causal attention of each segment over itself and the segments before it.
// query [T, H, W], key and value [T, K, W]; returns [T, H * W].
at::Tensor PackedAttention(const PackedBatch& batch, const PackedPlan& plan,
                           const at::Tensor& query_THW,
                           const at::Tensor& key_TKW,
                           const at::Tensor& value_TKW);

// Writes the keys and values of each sequence of a packed batch to its row of
// one layer's cache, from position 0.
void StorePrefill(const PackedBatch& batch, const at::Tensor& key_TKW,
                  const at::Tensor& value_TKW, absl::Span<const int64_t> rows,
                  at::Tensor& key_cache, at::Tensor& value_cache);

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
