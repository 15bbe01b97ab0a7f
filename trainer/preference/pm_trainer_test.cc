#include "trainer/preference/pm_trainer.h"

#include <ATen/ops/equal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/preference/pair_scores.h"
#include "trainer/preference/pm_fixtures.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

std::vector<PmExample> Planted(int count, uint64_t seed) {
  return PlantedOf(count, seed, [](int) { return 8; });
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
