// What tests of training preference models share.
#pragma once

#include <ATen/ops/zeros.h>

#include <utility>
#include <vector>

#include "core/base/hash.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

// The tiny trunk with a score head of zeros.
inline Transformer MakePm() {
  const Transformer trunk = MakeTinyModel(1);
  ModelConfig config = trunk.config();
  config.head = ModelConfig::Head::kScore;
  NamedTensors weights = trunk.Clone().parameters();
  weights.push_back({"score.weight", at::zeros({1, config.hidden_size})});
  absl::StatusOr<Transformer> pm =
      Transformer::Create(config, std::move(weights));
  EXPECT_OK(pm);
  return *std::move(pm);
}

// Random dialogues of `length(i)` tokens; the chosen one holds token 40
// somewhere, the rejected one token 41 in its place.
template <typename LengthOf>
std::vector<PmExample> PlantedOf(int count, uint64_t seed, LengthOf&& length) {
  std::vector<PmExample> examples;
  for (int i = 0; i < count; ++i) {
    const uint64_t key = MixHash(seed, i);
    const uint64_t num_words = length(i);
    PmExample example;
    for (uint64_t t = 0; t < num_words; ++t) {
      example.chosen.push_back(
          static_cast<int32_t>(100 + MixHash(key, t) % 300));
    }
    example.chosen.push_back(2);
    example.rejected = example.chosen;
    const size_t place = MixHash(key, 100) % num_words;
    example.chosen[place] = 40;
    example.rejected[place] = 41;
    examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace rlhf
