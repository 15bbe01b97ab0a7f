// How often the gate refuses a PM that learned from flipped labels, and how
// often one that is as good as the serving PM.
//
//     gate_study [ROUNDS] [HELD_OUT_PAIRS] [TRAINING_PAIRS]
//
// A simulated crowd compares random token sequences: each token has a worth, a
// sequence the sum, and a worker prefers the worthier one with the probability
// that Bradley and Terry give, so that workers agree with the truth in about
// three of four cases. PMs are small transformers, trained as the refresher
// trains them. The serving PM and each candidate learn from comparisons of
// their own; of a bad candidate's 30 % are flipped besides. The gate has its
// defaults. Prints JSON.
#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/nn/model_config.h"
#include "core/nn/transformer.h"
#include "trainer/preference/gate.h"
#include "trainer/preference/pair_scores.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {
namespace {

constexpr int64_t kVocabulary = 128;
constexpr int kTokens = 12;
constexpr double kFlipped = 0.3;

double Uniform(uint64_t key) {
  return static_cast<double>(MixHash(key, 1) >> 11) * 0x1p-53;
}

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

double Worth(const std::vector<int32_t>& tokens) {
  double sum = 0;
  for (const int32_t token : tokens) {
    sum += Normal(MixHash(77, static_cast<uint64_t>(token)));
  }
  return 0.35 * sum;
}

// `count` comparisons of the crowd; a share `flipped` says the opposite.
std::vector<PmExample> Crowd(int64_t count, uint64_t seed, double flipped) {
  std::vector<PmExample> examples;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t key = MixHash(seed, static_cast<uint64_t>(i));
    PmExample example = {.chosen = Sequence(MixHash(key, 1)),
                         .rejected = Sequence(MixHash(key, 2))};
    const double margin = Worth(example.chosen) - Worth(example.rejected);
    const bool prefers = Uniform(MixHash(key, 3)) < 1 / (1 + std::exp(-margin));
    const bool turned = Uniform(MixHash(key, 4)) < flipped;
    if (prefers == turned) std::swap(example.chosen, example.rejected);
    examples.push_back(std::move(example));
  }
  return examples;
}

// A transformer of one layer with random weights and a score head of zeros.
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

std::vector<MeasuredPair> TrainAndScore(const std::vector<PmExample>& training,
                                        const std::vector<PmExample>& held_out,
                                        uint64_t seed) {
  Transformer pm = SmallPm();
  const auto stats = TrainPreferenceModel(pm, training,
                                          {.num_epochs = 3,
                                           .learning_rate = 3e-3,
                                           .head_learning_rate = 1e-2,
                                           .seed = seed},
                                          [](double) { return true; });
  RLHF_CHECK(stats.ok()) << stats.status();
  auto pairs = ScorePairs(pm, held_out, 8192);
  RLHF_CHECK(pairs.ok()) << pairs.status();
  return *std::move(pairs);
}

struct Outcome {
  int64_t refused = 0;
  double accuracy = 0;  // mean
};

// Asks the gate about a candidate beside the serving PM and counts its verdict.
void Judge(const char* name, const std::vector<MeasuredPair>& candidate,
           const std::vector<MeasuredPair>& serving, int64_t rounds,
           Outcome& outcome) {
  const PmMeasurement found = MeasurePm(candidate, kCalibrationBins);
  const Calibration incumbent =
      MeasurePm(serving, kCalibrationBins).calibration;
  const GateVerdict verdict = DecidePromotion(
      {.candidate = {found.calibration.num_correct,
                     found.calibration.num_pairs},
       .incumbent = Incumbent{{incumbent.num_correct, incumbent.num_pairs},
                              CountDiscordance(candidate, serving),
                              CompareSlices(candidate, serving)},
       .calibration_error_low = found.ece_interval.low,
       .length_bias =
           found.prefers_longer_share - found.people_prefer_longer_share});
  outcome.refused += verdict.promote ? 0 : 1;
  outcome.accuracy += found.calibration.accuracy / static_cast<double>(rounds);
  std::cerr << name << ": " << verdict.reason << "\n";
}

int Main(int argc, char** argv) {
  const int64_t rounds = argc > 1 ? std::stoll(argv[1]) : 100;
  const int64_t held_out_pairs = argc > 2 ? std::stoll(argv[2]) : 3000;
  const int64_t training_pairs = argc > 3 ? std::stoll(argv[3]) : 4000;
  at::set_num_threads(1);
  Outcome flipped, equal;
  double serving_accuracy = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    const auto seed = [round](uint64_t use) {
      return MixHash(MixHash(5, static_cast<uint64_t>(round)), use);
    };
    const std::vector<PmExample> held_out = Crowd(held_out_pairs, seed(1), 0);
    const auto train = [&](uint64_t use, double share) {
      return TrainAndScore(Crowd(training_pairs, seed(use), share), held_out,
                           seed(use));
    };
    const std::vector<MeasuredPair> serving = train(2, 0);
    serving_accuracy +=
        MeasurePm(serving, kCalibrationBins).calibration.accuracy /
        static_cast<double>(rounds);
    Judge("flipped", train(3, kFlipped), serving, rounds, flipped);
    Judge("equal", train(4, 0), serving, rounds, equal);
    std::cerr << "round " << round + 1 << " of " << rounds << ": refused "
              << flipped.refused << " flipped, " << equal.refused << " equal\n";
  }
  std::cout << DumpJson({{"rounds", rounds},
                         {"held_out_pairs", held_out_pairs},
                         {"training_pairs", training_pairs},
                         {"serving_accuracy_mean", serving_accuracy},
                         {"flipped_refused", flipped.refused},
                         {"flipped_accuracy_mean", flipped.accuracy},
                         {"equal_refused", equal.refused},
                         {"equal_accuracy_mean", equal.accuracy}})
            << "\n";
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
