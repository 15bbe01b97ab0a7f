#include "trainer/preference/pm_trainer.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>

#include "core/base/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"
#include "trainer/preference/pair_scores.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

// The tiny trunk with a score head of zeros.
Transformer MakePm() {
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

// Random dialogues; the chosen one holds token 40 somewhere, the rejected one
// token 41 in its place.
std::vector<PmExample> Planted(int count, uint64_t seed) {
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
    examples.push_back(std::move(example));
  }
  return examples;
}

PmTrainerOptions Options() {
  return {.num_epochs = 4,
          .batch_size = 16,
          .learning_rate = 3e-3,
          .head_learning_rate = 1e-2};
}

double Accuracy(const Transformer& pm, const std::vector<PmExample>& examples) {
  const auto pairs = ScorePairs(pm, examples, 2048);
  EXPECT_OK(pairs);
  return MeasurePm(*pairs, 10).calibration.accuracy;
}

const PmProgress kGoOn = [](double) { return true; };

TEST(PmTrainerTest, LearnsAPlantedRule) {
  Transformer pm = MakePm();
  ASSERT_OK_AND_ASSIGN(
      const PmTrainingStats stats,
      TrainPreferenceModel(pm, Planted(160, 1), Options(), kGoOn));
  EXPECT_EQ(stats.num_steps, 40);  // 4 epochs of 160 / 16
  // A head of zeros finds both equally good: log 2.
  EXPECT_NEAR(stats.first_loss, std::log(2), 1e-6);
  EXPECT_LT(stats.last_loss, 0.3);
  EXPECT_GT(Accuracy(pm, Planted(100, 2)), 0.95);
}

TEST(PmTrainerTest, TheSameSeedGivesTheSameModel) {
  Transformer a = MakePm(), b = MakePm();
  ASSERT_OK(TrainPreferenceModel(a, Planted(32, 1), Options(), kGoOn).status());
  ASSERT_OK(TrainPreferenceModel(b, Planted(32, 1), Options(), kGoOn).status());
  for (size_t i = 0; i < a.parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(a.parameters()[i].tensor, b.parameters()[i].tensor))
        << a.parameters()[i].name;
  }
}

TEST(PmTrainerTest, NoExamplesIsTheCallersMistake) {
  Transformer pm = MakePm();
  EXPECT_EQ(TrainPreferenceModel(pm, {}, Options(), kGoOn).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(PmTrainerTest, StopsWhenProgressSaysSo) {
  Transformer pm = MakePm();
  double last = 0;
  const auto stats =
      TrainPreferenceModel(pm, Planted(64, 1), Options(), [&](double done) {
        last = done;
        return done < 0.5;
      });
  EXPECT_EQ(stats.status().code(), absl::StatusCode::kCancelled);
  EXPECT_NEAR(last, 0.5, 1e-9);
}

}  // namespace
}  // namespace rlhf
