#include "core/nn/fused_decode.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/nn/attend_kernels.h"
#include "core/nn/pointwise_kernels.h"
#ifdef _OPENMP
#include <omp.h>
#endif

namespace rlhf {
namespace {

// One thread of the region.
struct Worker {
  int64_t index = 0;
  int64_t count = 1;

  // This thread's part of `size` things.
  std::pair<int64_t, int64_t> Share(int64_t size) const {
    return {size * index / count, size * (index + 1) / count};
  }
};

void Meet() {
#ifdef _OPENMP
#pragma omp barrier
#endif
}

// What the threads write for each other.
struct Shared {
  std::vector<float> query_BQ, key_BK, value_BK, attended_BQ;
  std::vector<float> gate_BI, up_BI, inner_BI;
};

void NormRows(const float* x, int64_t rows, int64_t width, const float* weight,
              float eps, float* out) {
  for (int64_t r = 0; r < rows; ++r) {
    RmsNormRow(x + r * width, weight, eps, width, out + r * width);
  }
}

// The thread's columns of a product, for all rows.
void Multiply(const Worker& worker, const float* x, int64_t rows,
              const PackedLinear& linear, bool add, float* y) {
  const auto [begin, end] = worker.Share(linear.NumPanels());
  MultiplyPanels(x, rows, linear, begin, end, add, y);
}

// One row and one key-value head: caches the new key and value, and attends
// with each query head of the group.
class HeadAttention {
 public:
  HeadAttention(const DecodeModel& model, const DecodeStep& step)
      : model_(model),
        step_(step),
        query_(static_cast<size_t>(group() * model.head_dim)),
        key_(static_cast<size_t>(model.head_dim)),
        normed_(static_cast<size_t>(model.head_dim)),
        scores_(static_cast<size_t>(group() * step.max_tokens)) {}

  void Run(const DecodeLayer& layer, int64_t row, int64_t head,
           Shared& shared) {
    if (model_.bfloat16_cache) {
      RunIn<c10::BFloat16>(layer, row, head, shared);
    } else {
      RunIn<float>(layer, row, head, shared);
    }
  }

 private:
  // Query heads of one key-value head.
  int64_t group() const { return model_.num_heads / model_.num_kv_heads; }

  // `Number` is what the cache holds.
  template <class Number>
  void RunIn(const DecodeLayer& layer, int64_t row, int64_t head,
             Shared& shared) {
    const int64_t width = model_.head_dim;
    const int64_t group = this->group();
    const int64_t cached = step_.position_B[row];
    const int64_t base =
        (row * model_.num_kv_heads + head) * step_.max_tokens * width;
    auto* const keys = static_cast<Number*>(layer.key_cache) + base;
    auto* const values = static_cast<Number*>(layer.value_cache) + base;
    const int64_t at = (row * model_.num_kv_heads + head) * width;
    Turn(shared.key_BK.data() + at, layer.key_norm, row, key_.data());
    std::copy_n(key_.data(), width, keys + cached * width);
    std::copy_n(shared.value_BK.data() + at, width, values + cached * width);
    const float scale = 1 / std::sqrt(static_cast<float>(width));
    const int64_t place = (row * model_.num_heads + head * group) * width;
    for (int64_t g = 0; g < group; ++g) {
      float* const query = query_.data() + g * width;
      Turn(shared.query_BQ.data() + place + g * width, layer.query_norm, row,
           query);
      for (int64_t i = 0; i < width; ++i) query[i] *= scale;
    }
    Attend({.queries = query_.data(),
            .group = group,
            .width = width,
            .count = cached + 1,
            .scores = scores_.data(),
            .out = shared.attended_BQ.data() + place},
           keys, values);
  }

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
  std::vector<float> query_, key_, normed_, scores_;
};

// gate, up and their product for the thread's inner columns.
void RunGates(const Worker& worker, const DecodeLayer& layer, const float* x,
              int64_t rows, Shared& shared) {
  Multiply(worker, x, rows, *layer.gate, false, shared.gate_BI.data());
  Multiply(worker, x, rows, *layer.up, false, shared.up_BI.data());
  const int64_t inner = layer.gate->out;
  const auto [first, last] = worker.Share(layer.gate->NumPanels());
  const int64_t begin = first * kPanelOutputs;
  const int64_t columns = std::min(inner, last * kPanelOutputs) - begin;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * inner + begin;
    SwigluRow(shared.gate_BI.data() + at, shared.up_BI.data() + at, columns,
              shared.inner_BI.data() + at);
  }
}

void RunLayers(const Worker& worker, const DecodeModel& model,
               const DecodeStep& step, Shared& shared) {
  const int64_t rows = step.rows, width = model.width;
  std::vector<float> normed(static_cast<size_t>(rows * width));
  HeadAttention attention(model, step);
  const auto [first, last] = worker.Share(rows * model.num_kv_heads);
  for (const DecodeLayer& layer : model.layers) {
    NormRows(step.hidden_BD, rows, width, layer.input_norm, model.norm_eps,
             normed.data());
    Multiply(worker, normed.data(), rows, *layer.query, false,
             shared.query_BQ.data());
    Multiply(worker, normed.data(), rows, *layer.key, false,
             shared.key_BK.data());
    Multiply(worker, normed.data(), rows, *layer.value, false,
             shared.value_BK.data());
    Meet();
    for (int64_t i = first; i < last; ++i) {
      attention.Run(layer, i / model.num_kv_heads, i % model.num_kv_heads,
                    shared);
    }
    Meet();
    Multiply(worker, shared.attended_BQ.data(), rows, *layer.output, true,
             step.hidden_BD);
    Meet();
    NormRows(step.hidden_BD, rows, width, layer.post_norm, model.norm_eps,
             normed.data());
    RunGates(worker, layer, normed.data(), rows, shared);
    Meet();
    Multiply(worker, shared.inner_BI.data(), rows, *layer.down, true,
             step.hidden_BD);
    Meet();
  }
  NormRows(step.hidden_BD, rows, width, model.final_norm, model.norm_eps,
           normed.data());
  Multiply(worker, normed.data(), rows, *model.head, false, step.logits_BV);
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
  shared.gate_BI = numbers(model.layers[0].gate->out);
  shared.up_BI = shared.inner_BI = shared.gate_BI;
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
