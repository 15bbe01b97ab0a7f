// Attention of several new tokens of one sequence whose beginning is cached:
// what a prompt that is taken in chunks needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rlhf {

// What all layers of one chunk share.
struct AttentionAppend {
  int64_t row = 0;    // of the cache
  int64_t begin = 0;  // tokens that are cached there
  // [T, begin + T]: 0 where a token may look, -inf beyond it.
  at::Tensor mask;
};

// For `count` tokens; `options` are those of the queries.
AttentionAppend PlanAppend(int64_t row, int64_t begin, int64_t count,
                           const at::TensorOptions& options);

// Stores the tokens' keys and values behind those of their row and attends over
// the row. query [T, H, W], key and value [T, K, W], caches [rows, K,
// max_tokens, W]; returns [T, H * W].
at::Tensor AppendAttention(const AttentionAppend& plan,
                           const at::Tensor& query_THW,
                           const at::Tensor& key_TKW,
                           const at::Tensor& value_TKW, at::Tensor& key_cache,
                           at::Tensor& value_cache);

}  // namespace rlhf
