// A preference model trained on several ranks against one rank.
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"
#include "trainer/preference/pm_fixtures.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

constexpr int kSteps = 50;

const PmProgress kGoOn = [](double) { return true; };

// Pairs of 18 to 60 tokens, of unlike weights and workers.
std::vector<PmExample> Comparisons(int count) {
  std::vector<PmExample> examples = PlantedPairs(count, 1);
  for (int i = 0; i < count; ++i) {
    const std::vector<int32_t> prompt(MixHash(7, i) % 22, 100 + i % 50);
    for (std::vector<int32_t>* ids :
         {&examples[i].chosen, &examples[i].rejected}) {
      ids->insert(ids->begin(), prompt.begin(), prompt.end());
    }
    examples[i].loss_weight = 0.5 + i % 3;
    examples[i].temperature = i % 5 == 0 ? 0.5 : 1;
  }
  return examples;
}

// Several micro-batches a step on each rank.
PmTrainerOptions Options(int batch_size) {
  return {.batch_size = batch_size,
          .learning_rate = 1e-4,
          .head_learning_rate = 1e-3,
          .weight_decay = 0.01,
          .micro_batch_tokens = 64};
}

struct Outcome {
  PmTrainingStats stats;
  std::optional<Transformer> model;
};

// What rank `wanted` has after 50 steps on so many ranks.
Outcome Train(int ranks, const PmTrainerOptions& options, int wanted = 0) {
  const std::vector<PmExample> examples =
      Comparisons(kSteps * options.batch_size);
  Outcome outcome;
  OnRanks(ranks, absl::Seconds(60), [&](Communicator& communicator) {
    Transformer model = MakeUntrainedPm();
    ASSERT_OK_AND_ASSIGN(
        const PmTrainingStats stats,
        TrainPreferenceModel(model, examples, options, kGoOn, &communicator));
    if (communicator.rank() == wanted) outcome = {stats, std::move(model)};
  });
  return outcome;
}

double LargestDifference(const Outcome& a, const Outcome& b) {
  const NamedTensors &of_a = a.model->parameters(),
                     &of_b = b.model->parameters();
  EXPECT_EQ(of_a.size(), of_b.size());
  double largest = 0;
  for (size_t i = 0; i < of_a.size(); ++i) {
    EXPECT_EQ(of_a[i].name, of_b[i].name);
    const at::Tensor difference = of_a[i].tensor - of_b[i].tensor;
    largest = std::max(largest, difference.abs().max().item<double>());
  }
  return largest;
}

void ExpectSame(const Outcome& actual, const Outcome& expected,
                const std::string& what) {
  EXPECT_EQ(actual.stats.num_steps, kSteps) << what;
  EXPECT_NEAR(actual.stats.first_loss, expected.stats.first_loss, 1e-5) << what;
  EXPECT_NEAR(actual.stats.last_loss, expected.stats.last_loss, 1e-5) << what;
  EXPECT_LT(LargestDifference(actual, expected), 1e-5) << what;
}

TEST(PmRanksTest, FiftyStepsAreThoseOfOneRank) {
  const PmTrainerOptions options = Options(/*batch_size=*/8);
  const Outcome one = Train(1, options);
  // It did learn.
  EXPECT_GT(LargestDifference(one, {.stats = {}, .model = MakeUntrainedPm()}),
            1e-3);
  for (const int ranks : {2, 3}) {
    ExpectSame(Train(ranks, options), one, absl::StrCat(ranks, " ranks"));
  }
}

TEST(PmRanksTest, AllRanksEndWithTheSameModel) {
  const PmTrainerOptions options = Options(/*batch_size=*/4);
  EXPECT_EQ(LargestDifference(Train(3, options, 0), Train(3, options, 2)), 0);
}

TEST(PmRanksTest, ARankWithoutAComparisonOfAStepTakesPartInIt) {
  const PmTrainerOptions options = Options(/*batch_size=*/2);
  ExpectSame(Train(3, options), Train(1, options), "3 ranks");
}

TEST(PmRanksTest, OneRanksStopStopsAll) {
  const std::vector<PmExample> examples = Comparisons(40);
  OnTwoRanks(absl::Seconds(60), [&](Communicator& communicator) {
    Transformer model = MakeUntrainedPm();
    double last = 0;
    EXPECT_THAT(
        TrainPreferenceModel(
            model, examples, Options(/*batch_size=*/4),
            [&](double share) {
              last = share;
              return communicator.rank() == 0 || share < 0.5;
            },
            &communicator),
        StatusIs(absl::StatusCode::kCancelled, HasSubstr("was stopped")));
    EXPECT_EQ(last, 0.5);
  });
}

TEST(PmRanksTest, ARankThatIsGoneIsToldByTheStepThatWaitedForIt) {
  const std::vector<PmExample> examples = Comparisons(8);
  OnTwoRanks(absl::Seconds(5), [&](Communicator& communicator) {
    if (communicator.rank() == 1) return;
    Transformer model = MakeUntrainedPm();
    const auto names_it =
        AllOf(HasSubstr("step 1 of 2 of a preference model"),
              HasSubstr("gradients of preference model"), HasSubstr("rank 0"));
    EXPECT_THAT(TrainPreferenceModel(model, examples, Options(/*batch_size=*/4),
                                     kGoOn, &communicator),
                AnyOf(StatusIs(absl::StatusCode::kDeadlineExceeded, names_it),
                      StatusIs(absl::StatusCode::kUnavailable, names_it)));
  });
}

}  // namespace
}  // namespace rlhf
