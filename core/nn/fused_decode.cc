#include "core/nn/fused_decode.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/nn/pointwise_kernels.h"
#include "core/nn/vector_math.h"
#ifdef _OPENMP
#include <omp.h>
#endif

namespace rlhf {
namespace {

// One thread of the region.
struct Worker {
  int64_t index = 0;
  int64_t count = 1;

  // This thread's part of `size`, whole multiples of `grain` but the last.
  std::pair<int64_t, int64_t> Share(int64_t size, int64_t grain) const {
    const int64_t grains = (size + grain - 1) / grain;
    const auto at = [&](int64_t i) {
      return std::min(size, grains * i / count * grain);
    };
    return {at(index), at(index + 1)};
  }
};

void Meet() {
#ifdef _OPENMP
#pragma omp barrier
#endif
}

// What the threads write for each other.
struct Shared {
  std::vector<float> query_BQ, key_BK, value_BK, attended_BQ, inner_BI;
};

void NormRows(const float* x, int64_t rows, int64_t width, const float* weight,
              float eps, float* out) {
  for (int64_t r = 0; r < rows; ++r) {
    RmsNormRow(x + r * width, weight, eps, width, out + r * width);
  }
}

// The thread's columns of a product, for all rows.
void Multiply(const Worker& worker, const float* x, int64_t rows,
              const DecodeLinear& linear, bool add, float* y) {
  const auto [begin, end] = worker.Share(linear.out, kDecodeGrain);
  MultiplyRows(x, rows, linear, begin, end, add, y + begin, linear.out);
}

inline float Dot(const float* a, const float* b, int64_t width) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

// Turns scores into probabilities.
inline void Softmax(float* scores, int64_t count) {
  float most = scores[0];
  for (int64_t i = 1; i < count; ++i) most = std::max(most, scores[i]);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    scores[i] = VectorExp(scores[i] - most);
    sum += scores[i];
  }
  const float inverse = 1 / sum;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) scores[i] *= inverse;
}

// out = softmax(query · keys / sqrt(width)) · values, over `count` keys and
// values [count, width]; `scores` has room for `count` numbers.
RLHF_FOR_EACH_PROCESSOR
void Attend(const float* query, const float* keys, const float* values,
            int64_t count, int64_t width, float* scores, float* out) {
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  for (int64_t l = 0; l < count; ++l) {
    scores[l] = scale * Dot(query, keys + l * width, width);
  }
  Softmax(scores, count);
  std::fill_n(out, width, 0.F);
  for (int64_t l = 0; l < count; ++l) {
    const float* const value = values + l * width;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) out[i] += scores[l] * value[i];
  }
}

// One row and one key-value head: caches the new key and value, and attends
// with each query head of the group.
class HeadAttention {
 public:
  HeadAttention(const DecodeModel& model, const DecodeStep& step)
      : model_(model),
        step_(step),
        query_(static_cast<size_t>(model.head_dim)),
        normed_(static_cast<size_t>(model.head_dim)),
        scores_(static_cast<size_t>(step.max_tokens)) {}

  void Run(const DecodeLayer& layer, int64_t row, int64_t head,
           Shared& shared) {
    const int64_t width = model_.head_dim;
    const int64_t group = model_.num_heads / model_.num_kv_heads;
    const int64_t cached = step_.position_B[row];
    const int64_t base =
        (row * model_.num_kv_heads + head) * step_.max_tokens * width;
    float* const keys = layer.key_cache + base;
    float* const values = layer.value_cache + base;
    const int64_t at = (row * model_.num_kv_heads + head) * width;
    Turn(shared.key_BK.data() + at, layer.key_norm, row, keys + cached * width);
    std::copy_n(shared.value_BK.data() + at, width, values + cached * width);
    for (int64_t g = 0; g < group; ++g) {
      const int64_t place = (row * model_.num_heads + head * group + g) * width;
      Turn(shared.query_BQ.data() + place, layer.query_norm, row,
           query_.data());
      Attend(query_.data(), keys, values, cached + 1, width, scores_.data(),
             shared.attended_BQ.data() + place);
    }
  }

 private:
  // A query or key as attention wants it: normed, if it is, and rotated.
  void Turn(const float* x, const float* norm, int64_t row, float* out) {
    const int64_t width = model_.head_dim;
    if (norm != nullptr) {
      RmsNormRow(x, norm, model_.norm_eps, width, normed_.data());
      x = normed_.data();
    }
    RotateRow(x, step_.cos_BW + row * width, step_.sin_BW + row * width, 1, 1,
              width, out);
  }

  const DecodeModel& model_;
  const DecodeStep& step_;
  std::vector<float> query_, normed_, scores_;
};

// gate, up and their product for the thread's inner columns.
void RunGates(const Worker& worker, const DecodeLayer& layer, const float* x,
              int64_t rows, std::vector<float>& buffer, Shared& shared) {
  const auto [begin, end] = worker.Share(layer.gate.out, kDecodeGrain);
  const int64_t columns = end - begin;
  buffer.resize(static_cast<size_t>(2 * rows * columns));
  float* const gate = buffer.data();
  float* const up = gate + rows * columns;
  MultiplyRows(x, rows, layer.gate, begin, end, false, gate, columns);
  MultiplyRows(x, rows, layer.up, begin, end, false, up, columns);
  for (int64_t r = 0; r < rows; ++r) {
    SwigluRow(gate + r * columns, up + r * columns, columns,
              shared.inner_BI.data() + r * layer.gate.out + begin);
  }
}

void RunLayers(const Worker& worker, const DecodeModel& model,
               const DecodeStep& step, Shared& shared) {
  const int64_t rows = step.rows, width = model.width;
  std::vector<float> normed(static_cast<size_t>(rows * width)), buffer;
  HeadAttention attention(model, step);
  const auto [first, last] =
      worker.Share(rows * model.num_kv_heads, /*grain=*/1);
  for (const DecodeLayer& layer : model.layers) {
    NormRows(step.hidden_BD, rows, width, layer.input_norm, model.norm_eps,
             normed.data());
    Multiply(worker, normed.data(), rows, layer.query, false,
             shared.query_BQ.data());
    Multiply(worker, normed.data(), rows, layer.key, false,
             shared.key_BK.data());
    Multiply(worker, normed.data(), rows, layer.value, false,
             shared.value_BK.data());
    Meet();
    for (int64_t i = first; i < last; ++i) {
      attention.Run(layer, i / model.num_kv_heads, i % model.num_kv_heads,
                    shared);
    }
    Meet();
    Multiply(worker, shared.attended_BQ.data(), rows, layer.output, true,
             step.hidden_BD);
    Meet();
    NormRows(step.hidden_BD, rows, width, layer.post_norm, model.norm_eps,
             normed.data());
    RunGates(worker, layer, normed.data(), rows, buffer, shared);
    Meet();
    Multiply(worker, shared.inner_BI.data(), rows, layer.down, true,
             step.hidden_BD);
    Meet();
  }
  NormRows(step.hidden_BD, rows, width, model.final_norm, model.norm_eps,
           normed.data());
  Multiply(worker, normed.data(), rows, model.head, false, step.logits_BV);
}

}  // namespace

void RunDecodeStep(const DecodeModel& model, const DecodeStep& step) {
  Shared shared;
  const auto numbers = [&](int64_t columns) {
    return std::vector<float>(static_cast<size_t>(step.rows * columns));
  };
  shared.query_BQ = numbers(model.num_heads * model.head_dim);
  shared.attended_BQ = shared.query_BQ;
  shared.key_BK = numbers(model.num_kv_heads * model.head_dim);
  shared.value_BK = shared.key_BK;
  shared.inner_BI = numbers(model.layers[0].gate.out);
#ifdef _OPENMP
#pragma omp parallel
  {
    const Worker worker = {.index = omp_get_thread_num(),
                           .count = omp_get_num_threads()};
    RunLayers(worker, model, step, shared);
  }
#else
  RunLayers(Worker(), model, step, shared);
#endif
}

}  // namespace rlhf
