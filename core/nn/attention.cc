#include "core/nn/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_put.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

namespace rlhf {
namespace {

// Repeats key-value heads so that each query head has its own: [T, H, W].
at::Tensor ExpandHeads(const at::Tensor& x_TKW, int64_t num_heads) {
  const int64_t groups = num_heads / x_TKW.size(1);
  return groups == 1 ? x_TKW : x_TKW.repeat_interleave(groups, /*dim=*/1);
}

// [T, H, W] to [1, H, T, W], as scaled_dot_product_attention wants it.
at::Tensor HeadsFirst(const at::Tensor& x_THW) {
  return x_THW.transpose(0, 1).unsqueeze(0);
}

}  // namespace

at::Tensor PackedAttention(const at::Tensor& query_THW,
                           const at::Tensor& key_TKW,
                           const at::Tensor& value_TKW,
                           absl::Span<const int64_t> lengths) {
  const int64_t num_heads = query_THW.size(1);
  const at::Tensor key_THW = ExpandHeads(key_TKW, num_heads);
  const at::Tensor value_THW = ExpandHeads(value_TKW, num_heads);
  std::vector<at::Tensor> outputs;
  outputs.reserve(lengths.size());
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    const auto slice = [begin, length](const at::Tensor& x) {
      return HeadsFirst(x.narrow(0, begin, length));
    };
    const auto output = at::scaled_dot_product_attention(
        slice(query_THW), slice(key_THW), slice(value_THW),
        /*attn_mask=*/{}, /*dropout_p=*/0.0, /*is_causal=*/true);
    outputs.push_back(output.squeeze(0).transpose(0, 1));
    begin += length;
  }
  return at::cat(outputs, /*dim=*/0).flatten(1);
}

void StorePrefill(const at::Tensor& key_TKW, const at::Tensor& value_TKW,
                  absl::Span<const int64_t> lengths,
                  absl::Span<const int64_t> rows, at::Tensor& key_cache,
                  at::Tensor& value_cache) {
  int64_t begin = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto store = [&](at::Tensor& cache, const at::Tensor& x_TKW) {
      cache.select(0, rows[i])
          .narrow(1, 0, lengths[i])
          .copy_(x_TKW.narrow(0, begin, lengths[i]).transpose(0, 1));
    };
    store(key_cache, key_TKW);
    store(value_cache, value_TKW);
    begin += lengths[i];
  }
}

DecodePlan PlanDecode(const KvCache& cache, at::Device device) {
  DecodePlan plan;
  const auto options = at::TensorOptions(at::kLong);
  const at::Tensor position_B = at::tensor(cache.lengths(), options);
  plan.num_positions =
      *std::max_element(cache.lengths().begin(), cache.lengths().end()) + 1;
  const auto beyond_BL = at::arange(plan.num_positions, options).unsqueeze(0) >
                         position_B.unsqueeze(1);
  plan.mask =
      at::zeros(beyond_BL.sizes(), at::TensorOptions(at::kFloat))
          .masked_fill(beyond_BL, -std::numeric_limits<float>::infinity())
          .unsqueeze(1)
          .unsqueeze(1)
          .to(device);
  plan.row_B = at::arange(cache.num_rows(), options).to(device);
  plan.position_B = position_B.to(device);
  return plan;
}

at::Tensor DecodeAttention(const DecodePlan& plan, const at::Tensor& query_BHW,
                           const at::Tensor& key_BKW,
                           const at::Tensor& value_BKW, at::Tensor& key_cache,
                           at::Tensor& value_cache) {
  const int64_t batch = query_BHW.size(0);
  const int64_t kv_heads = key_BKW.size(1);
  // Indexing dimensions 0 and 2 with [B] tensors puts B first: [B, K, W].
  const auto store = [&plan](at::Tensor& cache, const at::Tensor& x_BKW) {
    cache.transpose(1, 2).index_put_({plan.row_B, plan.position_B}, x_BKW);
  };
  store(key_cache, key_BKW);
  store(value_cache, value_BKW);
  const auto cached = [&](const at::Tensor& cache) {
    return cache.narrow(0, 0, batch).narrow(2, 0, plan.num_positions);
  };
  // The query heads of one key-value head become rows of one small matrix:
  // [B, K, H/K, W] against [B, K, L, W].
  const auto grouped = query_BHW.view({batch, kv_heads, -1, query_BHW.size(2)});
  const auto output = at::scaled_dot_product_attention(
      grouped, cached(key_cache), cached(value_cache),
      plan.mask.expand({batch, kv_heads, grouped.size(2), -1}));
  return output.reshape({batch, -1});
}

}  // namespace rlhf
