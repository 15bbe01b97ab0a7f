#include "core/nn/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_put.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

namespace rlhf {
namespace {

// [T, H, W] to [K, H / K, T, W]: the query heads of each key-value head, as
// scaled_dot_product_attention wants it.
at::Tensor GroupHeads(const at::Tensor& x_THW, int64_t num_kv_heads) {
  return x_THW.view({x_THW.size(0), num_kv_heads, -1, x_THW.size(2)})
      .permute({1, 2, 0, 3});
}

// [T, K, W] to [K, `group`, T, W] without a copy.
at::Tensor ForEachQueryHead(const at::Tensor& x_TKW, int64_t group) {
  return x_TKW.permute({1, 0, 2}).unsqueeze(1).expand({-1, group, -1, -1});
}

}  // namespace

PackedPlan PlanPacked(const PackedBatch& batch,
                      const at::TensorOptions& options) {
  PackedPlan plan;
  std::map<std::pair<int64_t, int64_t>, at::Tensor> made;
  for (const Segment& segment : batch.segments) {
    std::optional<at::Tensor>& mask = plan.masks.emplace_back();
    if (segment.parent < 0) continue;
    at::Tensor& same = made[{segment.position, segment.length}];
    if (!same.defined()) {
      same = at::full({segment.length, segment.position + segment.length},
                      -std::numeric_limits<double>::infinity(), options)
                 .triu_(segment.position + 1);
    }
    mask = same;
  }
  return plan;
}

at::Tensor PackedAttention(const PackedBatch& batch, const PackedPlan& plan,
                           const at::Tensor& query_THW,
                           const at::Tensor& key_TKW,
                           const at::Tensor& value_TKW) {
  std::vector<int64_t> lengths;
  for (const Segment& segment : batch.segments) {
    lengths.push_back(segment.length);
  }
  const int64_t num_kv_heads = key_TKW.size(1);
  const int64_t group = query_THW.size(1) / num_kv_heads;
  const auto split = [&lengths](const at::Tensor& x) {
    return x.split_with_sizes(lengths);
  };
  const std::vector<at::Tensor> queries = split(query_THW);
  // A segment's keys and values become those of its whole sequence up to there.
  std::vector<at::Tensor> keys = split(key_TKW);
  std::vector<at::Tensor> values = split(value_TKW);
  std::vector<at::Tensor> outputs;
  for (size_t s = 0; s < queries.size(); ++s) {
    const int64_t parent = batch.segments[s].parent;
    if (parent >= 0) {
      for (auto* side : {&keys, &values}) {
        (*side)[s] =
            at::cat(std::vector<at::Tensor>{(*side)[parent], (*side)[s]});
      }
    }
    const auto output = at::scaled_dot_product_attention(
        GroupHeads(queries[s], num_kv_heads), ForEachQueryHead(keys[s], group),
        ForEachQueryHead(values[s], group), plan.masks[s], /*dropout_p=*/0.0,
        /*is_causal=*/parent < 0);
    outputs.push_back(output.permute({2, 0, 1, 3}));
  }
  return at::cat(outputs).flatten(1);
}

void StorePrefill(const PackedBatch& batch, const at::Tensor& key_TKW,
                  const at::Tensor& value_TKW, absl::Span<const int64_t> rows,
                  at::Tensor& key_cache, at::Tensor& value_cache) {
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const int64_t s : batch.PathOf(i)) {
      const Segment& segment = batch.segments[s];
      const auto store = [&](at::Tensor& cache, const at::Tensor& x_TKW) {
        cache.select(0, rows[i])
            .narrow(1, segment.position, segment.length)
            .copy_(
                x_TKW.narrow(0, segment.begin, segment.length).transpose(0, 1));
      };
      store(key_cache, key_TKW);
      store(value_cache, value_TKW);
    }
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
      at::zeros(beyond_BL.sizes(), at::TensorOptions(cache.dtype()))
          .masked_fill(beyond_BL, -std::numeric_limits<double>::infinity())
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
