// One decoding step of a packed model on the CPU as one parallel region. With
// few rows a step is thousands of operations of microseconds; started one by
// one, threads wait for each other longer than they compute. Here every thread
// goes through all layers, computes its share of the outputs of each product,
// and meets the others five times a layer.
//
// transformer.cc has the plain way, which the tests compare with.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <vector>

#include "core/nn/packed_linear.h"

namespace rlhf {

struct DecodeLayer {
  const float* input_norm = nullptr;
  const PackedLinear* query = nullptr;
  const PackedLinear* key = nullptr;
  const PackedLinear* value = nullptr;
  const PackedLinear* output = nullptr;
  // Null without norms of queries and keys.
  const float* query_norm = nullptr;
  const float* key_norm = nullptr;
  const float* post_norm = nullptr;
  const PackedLinear* gate = nullptr;
  const PackedLinear* up = nullptr;
  const PackedLinear* down = nullptr;
  // [rows, K, max_tokens, W]: float, or c10::BFloat16 if bfloat16_cache.
  void* key_cache = nullptr;
  void* value_cache = nullptr;
};

struct DecodeModel {
  int64_t width = 0;  // D
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;  // K
  int64_t head_dim = 0;      // W
  float norm_eps = 0;
  bool bfloat16_cache = false;
  std::vector<DecodeLayer> layers;
  const float* final_norm = nullptr;
  const PackedLinear* head = nullptr;
};

struct DecodeStep {
  int64_t rows = 0;
  int64_t max_tokens = 0;  // of a row of the cache
  // By row: the place of the token, which is also how many are cached.
  const int64_t* position_B = nullptr;
  // [rows, W]: cosines and sines of the rotation at those places.
  const float* cos_BW = nullptr;
  const float* sin_BW = nullptr;
  // [rows, D]: the tokens' embeddings; overwritten.
  float* hidden_BD = nullptr;
  // [rows, head.out].
  float* logits_BV = nullptr;
};

// Appends the tokens' keys and values to the caches and computes the next
// tokens' logits. As many threads as LibTorch's operations have.
void RunDecodeStep(const DecodeModel& model, const DecodeStep& step);

}  // namespace rlhf
