#include "core/nn/append_attention.h"

#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <limits>

namespace rlhf {

AttentionAppend PlanAppend(int64_t row, int64_t begin, int64_t count,
                           const at::TensorOptions& options) {
  return {.row = row,
          .begin = begin,
          .mask = at::full({count, begin + count},
                           -std::numeric_limits<double>::infinity(), options)
                      .triu_(begin + 1)};
}

at::Tensor AppendAttention(const AttentionAppend& plan,
                           const at::Tensor& query_THW,
                           const at::Tensor& key_TKW,
                           const at::Tensor& value_TKW, at::Tensor& key_cache,
                           at::Tensor& value_cache) {
  const int64_t count = query_THW.size(0);
  const int64_t kv_heads = key_TKW.size(1);
  const int64_t group = query_THW.size(1) / kv_heads;
  // Stores, and gives the row up to its new end: [K, H / K, begin + T, W]. A
  // packed model computes in float32, whatever its cache holds.
  const auto whole = [&](at::Tensor& cache, const at::Tensor& x_TKW) {
    const at::Tensor row_KLW = cache.select(0, plan.row);
    row_KLW.narrow(1, plan.begin, count).copy_(x_TKW.transpose(0, 1));
    return row_KLW.narrow(1, 0, plan.begin + count)
        .to(x_TKW.scalar_type())
        .unsqueeze(1)
        .expand({-1, group, -1, -1});
  };
  const at::Tensor keys = whole(key_cache, key_TKW);
  const at::Tensor values = whole(value_cache, value_TKW);
  const at::Tensor queries =
      query_THW.view({count, kv_heads, group, query_THW.size(2)})
          .permute({1, 2, 0, 3});
  const at::Tensor output =
      at::scaled_dot_product_attention(queries, keys, values, plan.mask);
  return output.permute({2, 0, 1, 3}).flatten(1);
}

}  // namespace rlhf
