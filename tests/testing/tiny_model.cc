#include "tests/testing/tiny_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <cstdlib>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/nn/model_directory.h"

namespace rlhf {
namespace {

constexpr char kConfig[] = R"({
  "architectures": ["LlamaForCausalLM"], "model_type": "llama",
  "vocab_size": 512, "hidden_size": 32, "intermediate_size": 64,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
  "head_dim": 8, "max_position_embeddings": 1024, "rms_norm_eps": 1e-5,
  "tie_word_embeddings": true, "hidden_act": "silu", "rope_theta": 10000.0,
  "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0
})";

// Standard normal numbers from the project's own hash (Box-Muller), so that no
// library's generator decides the model.
at::Tensor Normal(std::vector<int64_t> shape, double scale, uint64_t key) {
  int64_t count = 1;
  for (const int64_t dimension : shape) count *= dimension;
  std::vector<float> values;
  const auto uniform = [key](uint64_t i) {
    return (static_cast<double>(MixHash(key, i) >> 11) + 0.5) * 0x1.0p-53;
  };
  for (int64_t i = 0; i < count; ++i) {
    const auto n = static_cast<uint64_t>(i);
    values.push_back(static_cast<float>(
        scale * std::sqrt(-2 * std::log(uniform(2 * n))) *
        std::cos(2 * std::numbers::pi * uniform(2 * n + 1))));
  }
  return at::tensor(values).view(shape);
}

}  // namespace

std::string TinyTokenizer() {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  RLHF_CHECK(root != nullptr) << "run the tests through ctest";
  return absl::StrCat(root, "/tests/fixtures/text/tiny_tokenizer");
}

Transformer MakeTinyModel(uint64_t seed) {
  const ModelConfig config =
      *ParseModelConfig(*ParseJson(kConfig), "tiny model");
  NamedTensors weights;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    const uint64_t key = MixHash(seed, Xxh3(name));
    weights.push_back(
        {name, shape.size() == 1 ? at::ones(shape) : Normal(shape, 0.1, key)});
  };
  const int64_t width = config.hidden_size, inner = config.intermediate_size;
  add("model.embed_tokens.weight", {config.vocab_size, width});
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string at = absl::StrCat("model.layers.", i, ".");
    const int64_t kv = config.num_kv_heads * config.head_dim;
    add(at + "input_layernorm.weight", {width});
    add(at + "self_attn.q_proj.weight", {width, width});
    add(at + "self_attn.k_proj.weight", {kv, width});
    add(at + "self_attn.v_proj.weight", {kv, width});
    add(at + "self_attn.o_proj.weight", {width, width});
    add(at + "post_attention_layernorm.weight", {width});
    add(at + "mlp.gate_proj.weight", {inner, width});
    add(at + "mlp.up_proj.weight", {inner, width});
    add(at + "mlp.down_proj.weight", {width, inner});
  }
  add("model.norm.weight", {width});
  absl::StatusOr<Transformer> model =
      Transformer::Create(config, std::move(weights));
  RLHF_CHECK(model.ok()) << model.status();
  return *std::move(model);
}

absl::Status WriteTinyModel(const std::string& directory, uint64_t seed) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(directory));
  return SaveModel(MakeTinyModel(seed), TinyTokenizer(), directory);
}

absl::Status WriteTinyPm(const std::string& directory, uint64_t seed) {
  const Transformer trunk = MakeTinyModel(seed);
  const ModelConfig config = AsPreferenceModel(
      trunk.config(), trunk.config().num_layers, /*pad_token_id=*/0);
  NamedTensors weights = trunk.parameters();
  weights.push_back({"score.weight", Normal({1, config.hidden_size}, 1,
                                            MixHash(seed, Xxh3("score")))});
  RLHF_ASSIGN_OR_RETURN(const Transformer pm,
                        Transformer::Create(config, std::move(weights)));
  RLHF_RETURN_IF_ERROR(MakeDirectories(directory));
  return SaveModel(pm, TinyTokenizer(), directory);
}

}  // namespace rlhf
