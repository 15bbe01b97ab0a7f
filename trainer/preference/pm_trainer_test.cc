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

double Accuracy(const Transformer& pm, const std::vector<PmExample>& examples) {
  const auto pairs = ScorePairs(pm, examples, 2048);
  EXPECT_OK(pairs);
  return MeasurePm(*pairs, 10).calibration.accuracy;
}

const PmProgress kGoOn = [](double) { return true; };

TEST(PmTrainerTest, LearnsAPlantedRule) {
  Transformer pm = MakeUntrainedPm();
  ASSERT_OK_AND_ASSIGN(
      const PmTrainingStats stats,
      TrainPreferenceModel(pm, PlantedPairs(160, 1), QuickTraining(), kGoOn));
  EXPECT_EQ(stats.num_steps, 40);  // 4 epochs of 160 / 16
  // A head of zeros finds both equally good: log 2.
  EXPECT_NEAR(stats.first_loss, std::log(2), 1e-6);
  EXPECT_LT(stats.last_loss, 0.3);
  EXPECT_GT(Accuracy(pm, PlantedPairs(100, 2)), 0.95);
}

TEST(PmTrainerTest, TheSameSeedGivesTheSameModel) {
  Transformer a = MakeUntrainedPm(), b = MakeUntrainedPm();
  ASSERT_OK(TrainPreferenceModel(a, PlantedPairs(32, 1), QuickTraining(), kGoOn)
                .status());
  ASSERT_OK(TrainPreferenceModel(b, PlantedPairs(32, 1), QuickTraining(), kGoOn)
                .status());
  for (size_t i = 0; i < a.parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(a.parameters()[i].tensor, b.parameters()[i].tensor))
        << a.parameters()[i].name;
  }
}

// What a worker with temperature 0 says pulls at nothing: the trunk and head of
// the start, to the last bit.
TEST(PmTrainerTest, AWorkerWhoSaysNothingTeachesNothing) {
  std::vector<PmExample> silent = PlantedPairs(32, 1);
  for (PmExample& example : silent) {
    example.temperature = 0;
    example.offset = 0.7;
  }
  Transformer pm = MakeUntrainedPm();
  const Transformer before = pm.Clone();
  ASSERT_OK(TrainPreferenceModel(pm, silent, QuickTraining(), kGoOn).status());
  for (size_t i = 0; i < before.parameters().size(); ++i) {
    EXPECT_TRUE(
        at::equal(pm.parameters()[i].tensor, before.parameters()[i].tensor))
        << before.parameters()[i].name;
  }
}

// One pair with traits of its own does not change what the others are worth.
TEST(PmTrainerTest, TraitsOfOneAreThoseOfNobody) {
  std::vector<PmExample> plain = PlantedPairs(32, 1), one = plain;
  one[0].offset = 1e-30;
  Transformer a = MakeUntrainedPm(), b = MakeUntrainedPm();
  ASSERT_OK(TrainPreferenceModel(a, plain, QuickTraining(), kGoOn).status());
  ASSERT_OK(TrainPreferenceModel(b, one, QuickTraining(), kGoOn).status());
  for (size_t i = 0; i < a.parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(a.parameters()[i].tensor, b.parameters()[i].tensor))
        << a.parameters()[i].name;
  }
}

TEST(PmTrainerTest, NoExamplesIsTheCallersMistake) {
  Transformer pm = MakeUntrainedPm();
  EXPECT_EQ(
      TrainPreferenceModel(pm, {}, QuickTraining(), kGoOn).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(PmTrainerTest, StopsWhenProgressSaysSo) {
  Transformer pm = MakeUntrainedPm();
  double last = 0;
  const auto stats = TrainPreferenceModel(pm, PlantedPairs(64, 1),
                                          QuickTraining(), [&](double done) {
                                            last = done;
                                            return done < 0.5;
                                          });
  EXPECT_EQ(stats.status().code(), absl::StatusCode::kCancelled);
  EXPECT_NEAR(last, 0.5, 1e-9);
}

}  // namespace
}  // namespace rlhf
