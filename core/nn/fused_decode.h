// One decoding step of a float32 model on the CPU as one parallel region. With
// few rows a step is thousands of operations of microseconds; started one by
// one, threads wait for each other longer than they compute. Here every thread
// goes through all layers, computes its share of the columns of each product,
// and meets the others five times a layer.
//
// transformer.cc has the plain way, which the tests compare with.
#pragma once

#include <cstdint>
#include <vector>

namespace rlhf {

// Weights [out, in], row by row; bias may be null.
struct DecodeLinear {
  const float* weight = nullptr;
  const float* bias = nullptr;
  int64_t in = 0;
  int64_t out = 0;
};

struct DecodeLayer {
  const float* input_norm = nullptr;
  DecodeLinear query, key, value, output;
  // Null without norms of queries and keys.
  const float* query_norm = nullptr;
  const float* key_norm = nullptr;
  const float* post_norm = nullptr;
  DecodeLinear gate, up, down;
  // [rows, K, max_tokens, W].
  float* key_cache = nullptr;
  float* value_cache = nullptr;
};

struct DecodeModel {
  int64_t width = 0;  // D
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;  // K
  int64_t head_dim = 0;      // W
  float norm_eps = 0;
  std::vector<DecodeLayer> layers;
  const float* final_norm = nullptr;
  DecodeLinear head;
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

// Outputs that MultiplyRows computes at a time: a thread's share of them is
// best a multiple.
inline constexpr int64_t kDecodeGrain = 32;

// y[r * y_stride + o - begin] = x[r] · weight[o] + bias[o] for the outputs
// `begin` to `end`, added to what is there if `add`. x is [rows, in] without
// gaps.
void MultiplyRows(const float* x, int64_t rows, const DecodeLinear& linear,
                  int64_t begin, int64_t end, bool add, float* y,
                  int64_t y_stride);

}  // namespace rlhf
