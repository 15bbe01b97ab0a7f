// A Llama-family decoder on LibTorch tensors: Llama, SmolLM, Mistral, Qwen2/3.
//
// One set of weights, three ways through it: a packed forward pass for training
// and scoring (differentiable), a prefill that also fills a KV cache, and a
// one-token decode step on that cache. Shape letters: packed_batch.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/huge_buffer.h"
#include "core/comm/named_tensor.h"
#include "core/nn/fused_decode.h"
#include "core/nn/kv_cache.h"
#include "core/nn/model_config.h"
#include "core/nn/packed_batch.h"
#include "core/nn/packed_linear.h"
#include "core/nn/recompute.h"

namespace rlhf {

// Const methods may run at once. Methods throw c10::Error like LibTorch itself;
// callers wrap whole steps in TorchCall.
class Transformer {
 public:
  // Takes weights under their Hugging Face names. Layers beyond
  // config.num_layers, the head of the other kind and the rotary tables of old
  // files are ignored.
  //
  // Errors: InvalidArgument if a tensor is missing, unknown or misshapen.
  static absl::StatusOr<Transformer> Create(const ModelConfig& config,
                                            NamedTensors weights);

  Transformer(Transformer&&) noexcept;
  Transformer& operator=(Transformer&&) noexcept;
  ~Transformer();

  const ModelConfig& config() const { return config_; }
  at::Device device() const;

  // Every weight under its Hugging Face name, tied ones once. The tensors are
  // the model's own: changing them in place changes the model. Of a packed
  // model the embedding alone.
  const NamedTensors& parameters() const { return parameters_; }

  // Those of one layer, and those of none, in the order of parameters().
  NamedTensors LayerParameters(int64_t layer) const;
  NamedTensors OuterParameters() const;

  // Moves all weights to `device`.
  void To(at::Device device);

  // A model with its own copy of every weight.
  Transformer Clone() const;

  // As Clone, with weights of another dtype, which its passes then compute in.
  Transformer Cast(at::ScalarType dtype) const;

  // Whether Pack may be called: a language model on the CPU with widths that
  // PackLinear takes.
  bool CanBePacked() const;

  // A model of the same weights in `format` (packed_linear.h) that generates
  // much faster: Prefill, DecodeLogits and Logits, without gradients, are all
  // it is for. Computes in float32. Takes this model apart, so that both are
  // never in memory as a whole. Into `memory` if that is large enough, which
  // nobody may read any more; else, or if it is null, into new memory.
  Transformer Pack(WeightFormat format,
                   std::shared_ptr<HugeBuffer> memory = nullptr) &&;

  bool is_packed() const { return packed_weights_ != nullptr; }
  // Where the weights of a packed model are, for the Pack of the model that
  // replaces it; null for another.
  const std::shared_ptr<HugeBuffer>& packed_memory() const {
    return packed_weights_;
  }

  // Layers of Forward keep only their input for the backward pass: a third more
  // arithmetic, far less memory, the same gradients.
  void set_recompute_activations(bool value) { recompute_ = value; }

  // From here on Forward gets the weights from `store` (not owned), which
  // implies recomputation; null: they are always there.
  void set_store(LayerWeights* store) { store_ = store; }

  // Lets go of what passes brought from the store; nothing without one.
  void EndPass() const {
    if (store_ != nullptr) store_->EndPass();
  }

  // Hidden states after the last norm, [T, D], by row of the batch.
  at::Tensor Forward(const PackedBatch& batch) const;

  // Hidden states after the first `num_layers` layers, [T, D], as transformers
  // gives them: embeddings for 0, and after the last norm, like Forward, for
  // all layers. Dies with a number outside [0, config().num_layers], or with a
  // store.
  at::Tensor HiddenAfter(const PackedBatch& batch, int64_t num_layers) const;

  // As Forward for the prompts in `batch`, which start in the empty rows
  // `rows` of `cache`; fills these rows. Returns the hidden state of each
  // sequence's last token, [S, D].
  at::Tensor Prefill(const PackedBatch& batch, absl::Span<const int64_t> rows,
                     KvCache& cache) const;

  // Goes on where row `row` of `cache` ends, which may be empty: a prompt in
  // chunks. Fills the row; returns the hidden state of the last token, [1, D].
  // Defined in transformer_append.cc. Dies if the row would be too long. No
  // gradient.
  at::Tensor Append(const at::Tensor& token_T, int64_t row,
                    KvCache& cache) const;

  // Feeds one token to each row of `cache`: token_B[b] to row b. Returns [B,
  // D].
  at::Tensor Decode(const at::Tensor& token_B, KvCache& cache) const;

  // Logits(Decode(token_B, cache)); of a packed model in one parallel region
  // (fused_decode.h), where a row's logits do not depend on the others.
  at::Tensor DecodeLogits(const at::Tensor& token_B, KvCache& cache) const;

  // Next-token logits of hidden states, [N, V]. Dies on a score model.
  at::Tensor Logits(const at::Tensor& hidden_ND) const;

  // What turns hidden states into logits, [V, D]; the embedding where these are
  // tied. Dies on a score model.
  const at::Tensor& head_weight() const;

  // Scores of hidden states, [N], float32 whatever the weights' dtype. Dies on
  // a language model.
  at::Tensor Scores(const at::Tensor& hidden_ND) const;

 private:
  struct Layer;
  // Views of the packed weights and of the cache.
  DecodeModel FusedModel(KvCache& cache) const;
  // What hidden states are made of, and where.
  at::TensorOptions ActivationOptions() const;
  class Attention;
  class Packed;

  Transformer();
  absl::Status Bind();
  // Both: the backward pass may need `attention` again.
  at::Tensor Run(const at::Tensor& token_T,
                 std::shared_ptr<const Attention> attention) const;
  // The same without the last norm, and of the first `num_layers` layers only.
  at::Tensor RunLayers(const at::Tensor& token_T,
                       std::shared_ptr<const Attention> attention,
                       int64_t num_layers) const;
  at::Tensor RunLayer(int64_t index, const at::Tensor& hidden_TD,
                      const Attention& attention) const;

  ModelConfig config_;
  NamedTensors parameters_;
  // Views of parameters_ by role.
  at::Tensor embedding_VD_;
  at::Tensor final_norm_D_;
  at::Tensor head_;  // [V, D], or [1, D] for a score model
  std::vector<Layer> layers_;
  // Of a packed model: what the layers and the head point to, and the head.
  std::shared_ptr<HugeBuffer> packed_weights_;
  std::shared_ptr<const PackedLinear> packed_head_;
  bool recompute_ = false;
  LayerWeights* store_ = nullptr;
};

// What an engine samples from: `model` packed, in its own dtype or as whole
// numbers of 8 bits, where it can be packed; else as it is. `memory` as of
// Pack.
std::shared_ptr<const Transformer> ForGeneration(
    Transformer model, bool int8 = false,
    std::shared_ptr<HugeBuffer> memory = nullptr);

}  // namespace rlhf
