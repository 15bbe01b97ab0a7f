#include "bench/simulated_crowd.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/nn/model_config.h"
#include "trainer/preference/pair_scores.h"

namespace rlhf {
namespace {

constexpr int64_t kVocabulary = 128;
constexpr int kTokens = 12;

// A standard normal number, of two uniforms (Box and Muller).
double Normal(uint64_t key) {
  return std::sqrt(-2 * std::log(1 - Uniform(MixHash(key, 2)))) *
         std::cos(2 * M_PI * Uniform(MixHash(key, 3)));
}

at::Tensor RandomWeights(std::vector<int64_t> shape, uint64_t seed) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(
        0.08 * Normal(MixHash(seed, static_cast<uint64_t>(i)))));
  }
  return at::tensor(values).view(shape);
}

std::vector<int32_t> Sequence(uint64_t key) {
  std::vector<int32_t> tokens;
  for (uint64_t t = 0; t < kTokens; ++t) {
    tokens.push_back(
        static_cast<int32_t>(MixHash(key, t) % (kVocabulary - 2) + 2));
  }
  tokens.push_back(1);
  return tokens;
}

}  // namespace

double Uniform(uint64_t key) {
  return static_cast<double>(MixHash(key, 1) >> 11) * 0x1p-53;
}

double Worth(const std::vector<int32_t>& tokens) {
  double sum = 0;
  for (const int32_t token : tokens) {
    sum += Normal(MixHash(77, static_cast<uint64_t>(token)));
  }
  return 0.35 * sum;
}

std::vector<PmExample> Crowd(int64_t count, uint64_t seed, double flipped) {
  std::vector<PmExample> examples;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t key = MixHash(seed, static_cast<uint64_t>(i));
    PmExample example = {.chosen = Sequence(MixHash(key, 1)),
                         .rejected = Sequence(MixHash(key, 2)),
                         .prompt_id = absl::StrCat(key)};
    const double margin = Worth(example.chosen) - Worth(example.rejected);
    const bool prefers = Uniform(MixHash(key, 3)) < 1 / (1 + std::exp(-margin));
    const bool turned = Uniform(MixHash(key, 4)) < flipped;
    if (prefers == turned) std::swap(example.chosen, example.rejected);
    examples.push_back(std::move(example));
  }
  return examples;
}

Transformer SmallPm() {
  ModelConfig config;
  config.vocab_size = kVocabulary;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.num_layers = 1;
  config.num_heads = 2;
  config.num_kv_heads = 1;
  config.head_dim = 16;
  config.max_positions = 64;
  config.head = ModelConfig::Head::kScore;
  NamedTensors weights;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    weights.push_back({name, shape.size() == 1
                                 ? at::ones(shape)
                                 : RandomWeights(shape, weights.size())});
  };
  add("model.embed_tokens.weight", {kVocabulary, 32});
  const std::string at = "model.layers.0.";
  add(at + "input_layernorm.weight", {32});
  add(at + "self_attn.q_proj.weight", {32, 32});
  add(at + "self_attn.k_proj.weight", {16, 32});
  add(at + "self_attn.v_proj.weight", {16, 32});
  add(at + "self_attn.o_proj.weight", {32, 32});
  add(at + "post_attention_layernorm.weight", {32});
  add(at + "mlp.gate_proj.weight", {64, 32});
  add(at + "mlp.up_proj.weight", {64, 32});
  add(at + "mlp.down_proj.weight", {32, 64});
  add("model.norm.weight", {32});
  weights.push_back({"score.weight", at::zeros({1, 32})});
  auto model = Transformer::Create(config, std::move(weights));
  RLHF_CHECK(model.ok()) << model.status();
  return *std::move(model);
}

PmTrainerOptions StudyTraining(uint64_t seed) {
  return {.num_epochs = 3,
          .learning_rate = 3e-3,
          .head_learning_rate = 1e-2,
          .seed = seed};
}

std::vector<MeasuredPair> TrainAndScore(const std::vector<PmExample>& training,
                                        const std::vector<PmExample>& held_out,
                                        uint64_t seed) {
  Transformer pm = SmallPm();
  const auto stats = TrainPreferenceModel(pm, training, StudyTraining(seed),
                                          [](double) { return true; });
  RLHF_CHECK(stats.ok()) << stats.status();
  auto pairs = ScorePairs(pm, held_out, 8192);
  RLHF_CHECK(pairs.ok()) << pairs.status();
  return *std::move(pairs);
}

}  // namespace rlhf
