#include "core/nn/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/nn/attention.h"
#include "core/nn/pass_attention.h"
#include "core/nn/pointwise.h"
#include "core/nn/rotary.h"
#include "core/nn/transformer_layer.h"

namespace rlhf {
namespace {

// Whether a weight that a file may hold belongs to what the configuration
// leaves out.
bool IsLeftOut(absl::string_view name, int64_t num_layers) {
  if (name == "lm_head.weight" || name == "score.weight" ||
      absl::EndsWith(name, "rotary_emb.inv_freq")) {
    return true;
  }
  int64_t layer = 0;
  return absl::ConsumePrefix(&name, "model.layers.") &&
         absl::SimpleAtoi(name.substr(0, name.find('.')), &layer) &&
         layer >= num_layers;
}

}  // namespace

Transformer::Transformer() = default;
Transformer::Transformer(Transformer&&) noexcept = default;
Transformer& Transformer::operator=(Transformer&&) noexcept = default;
Transformer::~Transformer() = default;

at::Device Transformer::device() const { return embedding_VD_.device(); }

at::TensorOptions Transformer::ActivationOptions() const {
  const at::TensorOptions options = embedding_VD_.detach().options();
  return is_packed() ? options.dtype(at::kFloat) : options;
}

absl::StatusOr<Transformer> Transformer::Create(const ModelConfig& config,
                                                NamedTensors weights) {
  Transformer model;
  model.config_ = config;
  model.parameters_ = std::move(weights);
  RLHF_RETURN_IF_ERROR(model.Bind());
  return model;
}

// Finds each weight by name and proves its shape; drops what the configuration
// leaves out (further layers, the head of the other kind).
absl::Status Transformer::Bind() {
  std::map<std::string, at::Tensor> by_name;
  for (NamedTensor& p : parameters_) by_name[p.name] = p.tensor;
  parameters_.clear();
  std::vector<std::string> problems;
  const auto take = [&](const std::string& name, std::vector<int64_t> shape) {
    const auto it = by_name.find(name);
    if (it == by_name.end()) {
      problems.push_back(absl::StrCat("tensor \"", name, "\" is missing"));
      return at::Tensor();
    }
    if (it->second.sizes() != at::IntArrayRef(shape)) {
      problems.push_back(
          absl::StrCat("tensor \"", name, "\" has shape [",
                       absl::StrJoin(it->second.sizes().vec(), ", "),
                       "], wanted [", absl::StrJoin(shape, ", "), "]"));
    }
    parameters_.push_back({name, it->second});
    return it->second;
  };
  const auto linear = [&](const std::string& name, int64_t out, int64_t in,
                          bool bias) {
    LinearWeights weights{.weight = take(name + ".weight", {out, in}),
                          .bias = {}};
    if (bias) weights.bias = take(name + ".bias", {out});
    return weights;
  };
  const ModelConfig& c = config_;
  const int64_t width = c.hidden_size, inner = c.intermediate_size;
  const int64_t query_width = c.num_heads * c.head_dim;
  const int64_t kv_width = c.num_kv_heads * c.head_dim;
  embedding_VD_ = take("model.embed_tokens.weight", {c.vocab_size, width});
  layers_.clear();
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const std::string at = absl::StrCat("model.layers.", i, ".");
    const std::string self = at + "self_attn.";
    Layer layer;
    layer.begin = parameters_.size();
    layer.input_norm = take(at + "input_layernorm.weight", {width});
    layer.query = linear(self + "q_proj", query_width, width, c.qkv_bias);
    layer.key = linear(self + "k_proj", kv_width, width, c.qkv_bias);
    layer.value = linear(self + "v_proj", kv_width, width, c.qkv_bias);
    layer.output = linear(self + "o_proj", width, query_width, c.output_bias);
    if (c.qk_norm) {
      layer.query_norm = take(self + "q_norm.weight", {c.head_dim});
      layer.key_norm = take(self + "k_norm.weight", {c.head_dim});
    }
    layer.post_norm = take(at + "post_attention_layernorm.weight", {width});
    layer.gate = linear(at + "mlp.gate_proj", inner, width, c.mlp_bias);
    layer.up = linear(at + "mlp.up_proj", inner, width, c.mlp_bias);
    layer.down = linear(at + "mlp.down_proj", width, inner, c.mlp_bias);
    layer.end = parameters_.size();
    layers_.push_back(std::move(layer));
  }
  final_norm_D_ = take("model.norm.weight", {width});
  if (c.head == ModelConfig::Head::kScore) {
    head_ = take("score.weight", {1, width});
  } else {
    head_ = c.tie_word_embeddings
                ? embedding_VD_
                : take("lm_head.weight", {c.vocab_size, width});
  }
  std::set<std::string> taken;
  for (const NamedTensor& p : parameters_) taken.insert(p.name);
  for (const auto& [name, tensor] : by_name) {
    if (!taken.contains(name) && !IsLeftOut(name, c.num_layers)) {
      problems.push_back(absl::StrCat("tensor \"", name,
                                      "\" has no place in this architecture"));
    }
  }
  if (problems.empty()) return absl::OkStatus();
  const size_t shown = std::min<size_t>(problems.size(), 3);
  std::string message =
      absl::StrJoin(problems.begin(), problems.begin() + shown, "; ");
  if (shown < problems.size()) {
    absl::StrAppend(&message, "; and ", problems.size() - shown, " more");
  }
  return absl::InvalidArgumentError(message);
}

NamedTensors Transformer::LayerParameters(int64_t layer) const {
  const Layer& which = layers_[static_cast<size_t>(layer)];
  return {parameters_.begin() + static_cast<ptrdiff_t>(which.begin),
          parameters_.begin() + static_cast<ptrdiff_t>(which.end)};
}

// They stand before the first layer and after the last one.
NamedTensors Transformer::OuterParameters() const {
  NamedTensors outer(
      parameters_.begin(),
      parameters_.begin() + static_cast<ptrdiff_t>(layers_.front().begin));
  outer.insert(outer.end(),
               parameters_.begin() + static_cast<ptrdiff_t>(layers_.back().end),
               parameters_.end());
  return outer;
}

void Transformer::To(at::Device device) {
  for (NamedTensor& p : parameters_) p.tensor = p.tensor.to(device);
  RLHF_CHECK(Bind().ok());
}

Transformer Transformer::Clone() const {
  return Cast(embedding_VD_.scalar_type());
}

Transformer Transformer::Cast(at::ScalarType dtype) const {
  Transformer copy;
  copy.config_ = config_;
  for (const NamedTensor& p : parameters_) {
    copy.parameters_.push_back(
        {p.name, p.tensor.detach().to(dtype, /*non_blocking=*/false,
                                      /*copy=*/true)});
  }
  RLHF_CHECK(copy.Bind().ok());
  return copy;
}

at::Tensor Transformer::RunLayer(int64_t index, const at::Tensor& hidden_TD,
                                 const Attention& attention) const {
  const Layer& layer = layers_[index];
  const int64_t width = config_.head_dim;
  const double eps = config_.rms_norm_eps;
  const auto normed = RmsNorm(hidden_TD, layer.input_norm, eps);
  auto query = layer.query(normed).view({-1, config_.num_heads, width});
  auto key = layer.key(normed).view({-1, config_.num_kv_heads, width});
  const auto value =
      layer.value(normed).view({-1, config_.num_kv_heads, width});
  if (config_.qk_norm) {
    query = RmsNorm(query, layer.query_norm, eps);
    key = RmsNorm(key, layer.key_norm, eps);
  }
  const auto attended =
      hidden_TD + layer.output(attention(index, query, key, value));
  const auto inner = RmsNorm(attended, layer.post_norm, eps);
  return attended + layer.down(Swiglu(layer.gate(inner), layer.up(inner)));
}

at::Tensor Transformer::RunLayers(const at::Tensor& token_T,
                                  std::shared_ptr<const Attention> attention,
                                  int64_t num_layers) const {
  if (store_ != nullptr) store_->BeginPass();
  at::Tensor hidden_TD =
      at::embedding(embedding_VD_, token_T).to(ActivationOptions().dtype());
  for (int64_t i = 0; i < num_layers; ++i) {
    if (store_ == nullptr && !recompute_) {
      hidden_TD = RunLayer(i, hidden_TD, *attention);
      continue;
    }
    std::vector<at::Tensor> weights;
    for (const NamedTensor& p : LayerParameters(i)) weights.push_back(p.tensor);
    hidden_TD = Recomputed(
        hidden_TD, std::make_shared<const RecomputedLayer>(RecomputedLayer{
                       .run =
                           [this, i, attention](const at::Tensor& input) {
                             return RunLayer(i, input, *attention);
                           },
                       .weights = std::move(weights),
                       .store = store_,
                       .index = i}));
  }
  return hidden_TD;
}

at::Tensor Transformer::Run(const at::Tensor& token_T,
                            std::shared_ptr<const Attention> attention) const {
  return RmsNorm(RunLayers(token_T, std::move(attention), config_.num_layers),
                 final_norm_D_, config_.rms_norm_eps);
}

// Attention within a packed batch.
class Transformer::Packed : public Transformer::Attention {
 public:
  Packed(const PackedBatch& batch, const Transformer& model)
      : batch_(batch),
        rotary_(MakeRotaryTable(model.config_, batch.position_T)),
        plan_(PlanPacked(batch, model.ActivationOptions())) {}

  at::Tensor operator()(int64_t layer, const at::Tensor& query,
                        const at::Tensor& key,
                        const at::Tensor& value) const override {
    const at::Tensor rotated_key = ApplyRotary(key, rotary_);
    Keep(layer, rotated_key, value);
    return PackedAttention(batch_, plan_, ApplyRotary(query, rotary_),
                           rotated_key, value);
  }

 protected:
  // Shown each layer's keys and values.
  virtual void Keep(int64_t, const at::Tensor&, const at::Tensor&) const {}

  const PackedBatch batch_;

 private:
  const RotaryTable rotary_;
  const PackedPlan plan_;
};

at::Tensor Transformer::Forward(const PackedBatch& batch) const {
  return Run(batch.token_T, std::make_shared<const Packed>(batch, *this));
}

at::Tensor Transformer::HiddenAfter(const PackedBatch& batch,
                                    int64_t num_layers) const {
  RLHF_CHECK(num_layers >= 0 && num_layers <= config_.num_layers) << num_layers;
  RLHF_CHECK(store_ == nullptr);
  if (num_layers == config_.num_layers) return Forward(batch);
  return RunLayers(batch.token_T, std::make_shared<const Packed>(batch, *this),
                   num_layers);
}

at::Tensor Transformer::Prefill(const PackedBatch& batch,
                                absl::Span<const int64_t> rows,
                                KvCache& cache) const {
  class Filling final : public Packed {
   public:
    Filling(const PackedBatch& batch, const Transformer& model,
            absl::Span<const int64_t> rows, KvCache& cache)
        : Packed(batch, model), rows_(rows), cache_(cache) {}

   private:
    void Keep(int64_t layer, const at::Tensor& key,
              const at::Tensor& value) const override {
      StorePrefill(batch_, key, value, rows_, cache_.key(layer),
                   cache_.value(layer));
    }

    const absl::Span<const int64_t> rows_;
    KvCache& cache_;
  };
  RLHF_CHECK(rows.size() == batch.lengths.size());
  const at::Tensor hidden_TD =
      Run(batch.token_T,
          std::make_shared<const Filling>(batch, *this, rows, cache));
  for (size_t i = 0; i < rows.size(); ++i) {
    cache.Advance(rows[i], batch.lengths[i]);
  }
  return hidden_TD.index_select(
      0,
      at::tensor(batch.LastRows(), at::TensorOptions(at::kLong)).to(device()));
}

at::Tensor Transformer::Decode(const at::Tensor& token_B,
                               KvCache& cache) const {
  class Stepping final : public Attention {
   public:
    Stepping(const DecodePlan& plan, KvCache& cache, RotaryTable rotary)
        : plan_(plan), cache_(cache), rotary_(std::move(rotary)) {}
    at::Tensor operator()(int64_t layer, const at::Tensor& query,
                          const at::Tensor& key,
                          const at::Tensor& value) const override {
      return DecodeAttention(plan_, ApplyRotary(query, rotary_),
                             ApplyRotary(key, rotary_), value,
                             cache_.key(layer), cache_.value(layer));
    }

   private:
    const DecodePlan& plan_;
    KvCache& cache_;
    const RotaryTable rotary_;
  };
  RLHF_CHECK(token_B.size(0) == cache.num_rows() && !is_packed());
  const DecodePlan plan = PlanDecode(cache, device());
  const at::Tensor hidden_BD =
      Run(token_B, std::make_shared<const Stepping>(
                       plan, cache, MakeRotaryTable(config_, plan.position_B)));
  for (int64_t row = 0; row < cache.num_rows(); ++row) cache.Advance(row, 1);
  return hidden_BD;
}

const at::Tensor& Transformer::head_weight() const {
  RLHF_CHECK(config_.head == ModelConfig::Head::kLanguageModel);
  RLHF_CHECK(!is_packed());
  return head_;
}

at::Tensor Transformer::Logits(const at::Tensor& hidden_ND) const {
  if (packed_head_ != nullptr) return Multiply(hidden_ND, *packed_head_);
  return Linear(hidden_ND, head_weight());
}

at::Tensor Transformer::Scores(const at::Tensor& hidden_ND) const {
  RLHF_CHECK(config_.head == ModelConfig::Head::kScore);
  return at::linear(hidden_ND.to(at::kFloat), head_.to(at::kFloat)).squeeze(-1);
}

}  // namespace rlhf
