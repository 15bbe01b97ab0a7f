// Transformer::Pack and what a packed model does.
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/base/check.h"
#include "core/nn/fused_decode.h"
#include "core/nn/rotary.h"
#include "core/nn/transformer_layer.h"

namespace rlhf {

bool Transformer::CanBePacked() const {
  return config_.head == ModelConfig::Head::kLanguageModel &&
         embedding_VD_.is_cpu() && store_ == nullptr &&
         CanPack(config_.hidden_size) && CanPack(config_.intermediate_size) &&
         CanPack(config_.num_heads * config_.head_dim);
}

Transformer Transformer::Pack(WeightFormat format,
                              std::shared_ptr<HugeBuffer> memory) && {
  RLHF_CHECK(CanBePacked() && !is_packed());
  const auto bytes = [format](const at::Tensor& weight) {
    return PackedBytes(weight.size(0), weight.size(1), format);
  };
  size_t size = bytes(head_);
  for (const Layer& layer : layers_) {
    Layer::ForEach(
        layer,
        [&](const LinearWeights& linear) { size += bytes(linear.weight); },
        [](const at::Tensor&) {});
  }
  if (memory == nullptr || memory->size() < size) {
    memory = nullptr;  // before there is more
    memory = std::make_shared<HugeBuffer>(size);
  }
  std::byte* free = memory->data();
  const auto pack = [&](const at::Tensor& weight, const at::Tensor& bias) {
    std::byte* const to = std::exchange(free, free + bytes(weight));
    return PackLinear(weight, bias, format, to);
  };
  const auto as_floats = [](at::Tensor& norm) {
    if (norm.defined()) norm = norm.detach().to(at::kFloat).contiguous();
  };
  Transformer model;
  model.config_ = config_;
  model.embedding_VD_ = embedding_VD_.detach();
  model.final_norm_D_ = final_norm_D_;
  as_floats(model.final_norm_D_);
  // Each weight is held by its layer alone from here on, and let go of there.
  parameters_.clear();
  for (Layer& layer : layers_) {
    Layer::ForEach(
        layer,
        [&](LinearWeights& linear) {
          linear = {.weight = {},
                    .bias = {},
                    .packed = pack(linear.weight, linear.bias)};
        },
        as_floats);
  }
  model.layers_ = std::exchange(layers_, {});
  model.packed_head_ = std::make_shared<const PackedLinear>(pack(head_, {}));
  model.packed_weights_ = std::move(memory);
  model.parameters_ = {{"model.embed_tokens.weight", model.embedding_VD_}};
  return model;
}

std::shared_ptr<const Transformer> ForGeneration(
    Transformer model, bool int8, std::shared_ptr<HugeBuffer> memory) {
  if (model.CanBePacked()) {
    const bool wide = model.parameters()[0].tensor.scalar_type() == at::kFloat;
    const WeightFormat format = int8   ? WeightFormat::kInt8
                                : wide ? WeightFormat::kFloat32
                                       : WeightFormat::kBfloat16;
    model = std::move(model).Pack(format, std::move(memory));
  }
  return std::make_shared<const Transformer>(std::move(model));
}

at::Tensor Transformer::DecodeLogits(const at::Tensor& token_B,
                                     KvCache& cache) const {
  if (!is_packed()) return Logits(Decode(token_B, cache));
  const int64_t rows = token_B.size(0);
  RLHF_CHECK(rows == cache.num_rows());
  for (const int64_t length : cache.lengths()) {
    RLHF_CHECK(length < cache.max_tokens()) << "a row of the cache is full";
  }
  const at::Tensor position_B =
      at::tensor(cache.lengths(), at::TensorOptions(at::kLong));
  const RotaryTable rotary = MakeRotaryTable(config_, position_B);
  const at::Tensor cos = rotary.cos.contiguous(), sin = rotary.sin.contiguous();
  const at::Tensor hidden_BD =
      at::embedding(embedding_VD_, token_B).to(at::kFloat);
  const at::Tensor logits_BV =
      at::empty({rows, config_.vocab_size}, hidden_BD.options());
  RunDecodeStep(FusedModel(cache),
                {.rows = rows,
                 .max_tokens = cache.max_tokens(),
                 .position_B = position_B.const_data_ptr<int64_t>(),
                 .cos_BW = cos.const_data_ptr<float>(),
                 .sin_BW = sin.const_data_ptr<float>(),
                 .hidden_BD = hidden_BD.mutable_data_ptr<float>(),
                 .logits_BV = logits_BV.mutable_data_ptr<float>()});
  for (int64_t row = 0; row < rows; ++row) cache.Advance(row, 1);
  return logits_BV;
}

DecodeModel Transformer::FusedModel(KvCache& cache) const {
  RLHF_CHECK(cache.dtype() == at::kFloat || cache.dtype() == at::kBFloat16);
  const auto numbers = [](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
  };
  DecodeModel model = {.width = config_.hidden_size,
                       .num_heads = config_.num_heads,
                       .num_kv_heads = config_.num_kv_heads,
                       .head_dim = config_.head_dim,
                       .norm_eps = static_cast<float>(config_.rms_norm_eps),
                       .bfloat16_cache = cache.dtype() == at::kBFloat16,
                       .final_norm = numbers(final_norm_D_),
                       .head = packed_head_.get()};
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const auto index = static_cast<int64_t>(i);
    model.layers.push_back(
        {.input_norm = numbers(layer.input_norm),
         .query = &*layer.query.packed,
         .key = &*layer.key.packed,
         .value = &*layer.value.packed,
         .output = &*layer.output.packed,
         .query_norm = numbers(layer.query_norm),
         .key_norm = numbers(layer.key_norm),
         .post_norm = numbers(layer.post_norm),
         .gate = &*layer.gate.packed,
         .up = &*layer.up.packed,
         .down = &*layer.down.packed,
         .key_cache = cache.key(index).mutable_data_ptr(),
         .value_cache = cache.value(index).mutable_data_ptr()});
  }
  return model;
}

}  // namespace rlhf
