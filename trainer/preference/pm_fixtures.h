// For tests: a tiny preference model, and comparisons with a rule that it can
// learn.
#pragma once

#include <ATen/ops/zeros.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/nn/transformer.h"
#include "tests/testing/tiny_model.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

// The tiny trunk with a score head of zeros.
inline Transformer MakeUntrainedPm() {
  const Transformer trunk = MakeTinyModel(1);
  ModelConfig config = trunk.config();
  config.head = ModelConfig::Head::kScore;
  NamedTensors weights = trunk.Clone().parameters();
  weights.push_back({"score.weight", at::zeros({1, config.hidden_size})});
  absl::StatusOr<Transformer> pm =
      Transformer::Create(config, std::move(weights));
  RLHF_CHECK(pm.ok()) << pm.status();
  return *std::move(pm);
}

// Random dialogues; the chosen one holds token 40 somewhere, the rejected one
// token 41 in its place. Each has a prompt of its own.
inline std::vector<PmExample> PlantedPairs(int count, uint64_t seed) {
  std::vector<PmExample> examples;
  for (int i = 0; i < count; ++i) {
    const uint64_t key = MixHash(seed, i);
    PmExample example;
    for (uint64_t t = 0; t < 8; ++t) {
      example.chosen.push_back(
          static_cast<int32_t>(100 + MixHash(key, t) % 300));
    }
    example.chosen.push_back(2);
    example.rejected = example.chosen;
    const size_t place = MixHash(key, 100) % 8;
    example.chosen[place] = 40;
    example.rejected[place] = 41;
    example.prompt_id = absl::StrCat(seed, "/", i);
    examples.push_back(std::move(example));
  }
  return examples;
}

// With which a few hundred of them teach the rule.
inline PmTrainerOptions QuickTraining() {
  return {.num_epochs = 4,
          .batch_size = 16,
          .learning_rate = 3e-3,
          .head_learning_rate = 1e-2};
}

}  // namespace rlhf
