// Transformer's weights by role: what transformer.cc and packed_transformer.cc
// share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <optional>

#include "core/nn/linear.h"
#include "core/nn/packed_linear.h"
#include "core/nn/transformer.h"

namespace rlhf {

struct LinearWeights {
  at::Tensor weight;
  at::Tensor bias;  // undefined if there is none
  // Of a packed model, instead of both.
  std::optional<PackedLinear> packed;

  at::Tensor operator()(const at::Tensor& x) const {
    return packed.has_value() ? Multiply(x, *packed) : Linear(x, weight, bias);
  }
};

struct Transformer::Layer {
  at::Tensor input_norm, post_norm;
  LinearWeights query, key, value, output;
  at::Tensor query_norm, key_norm;  // undefined without qk_norm
  LinearWeights gate, up, down;
  // All of these, within parameters_: [begin, end).
  size_t begin = 0, end = 0;

  // Whatever is done to each: `visit` takes a LinearWeights or a norm's tensor.
  template <class Self, class VisitLinear, class VisitNorm>
  static void ForEach(Self& layer, const VisitLinear& visit_linear,
                      const VisitNorm& visit_norm) {
    visit_norm(layer.input_norm);
    visit_linear(layer.query);
    visit_linear(layer.key);
    visit_linear(layer.value);
    visit_linear(layer.output);
    visit_norm(layer.query_norm);
    visit_norm(layer.key_norm);
    visit_norm(layer.post_norm);
    visit_linear(layer.gate);
    visit_linear(layer.up);
    visit_linear(layer.down);
  }
};

}  // namespace rlhf
