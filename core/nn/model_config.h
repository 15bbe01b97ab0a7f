// What config.json of a Hugging Face directory says about a Llama-family model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/json.h"

namespace rlhf {

// "llama3" frequency scaling of rotary embeddings (Llama 3.1).
struct Llama3RopeScaling {
  double factor = 8;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_max_position = 8192;
};

struct ModelConfig {
  enum class Head { kLanguageModel, kScore };

  Head head = Head::kLanguageModel;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  // Longest sequence the model was made for, in tokens.
  int64_t max_positions = 0;
  double rope_theta = 10000;
  std::optional<Llama3RopeScaling> rope_scaling;
  double rms_norm_eps = 1e-5;
  bool tie_word_embeddings = false;
  // Biases of the q, k, v projections, of the attention output, of the MLP.
  bool qkv_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  // RMS norm of each head's query and key (Qwen3).
  bool qk_norm = false;
  std::vector<int32_t> eos_token_ids;

  // The file as it was, so that what we do not interpret is written back.
  Json raw;
};

// Reads the contents of a config.json; `path` is for messages only.
//
// Knows LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM,
// Qwen3ForCausalLM and the same with ForSequenceClassification and one label.
//
// Errors:
//   Unimplemented    another architecture, or a variant (sliding window, rotary
//                    scaling, quantisation) that we would compute wrongly
//   InvalidArgument  a field is missing, of the wrong type or out of range
absl::StatusOr<ModelConfig> ParseModelConfig(const Json& json,
                                             const std::string& path);

// `config` as a one-label sequence classifier with its first `num_layers`
// layers: what a preference model made from it says of itself. `pad_token_id`
// must differ from the token that ends a dialogue, because transformers takes
// the score at the last token that is not padding.
ModelConfig AsPreferenceModel(const ModelConfig& config, int64_t num_layers,
                              std::optional<int32_t> pad_token_id);

}  // namespace rlhf
