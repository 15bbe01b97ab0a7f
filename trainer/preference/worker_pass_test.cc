#include "trainer/preference/worker_pass.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/preference/pm_fixtures.h"

namespace rlhf {
namespace {

const PmProgress kGoOn = [](double) { return true; };

absl::StatusOr<Transformer> Start() { return MakeUntrainedPm(); }

// Workers 0 to 4, in turn; worker 0 says the opposite. All see the chosen
// response on the left or right by turns of 2.
std::vector<PmExample> Judged(int count) {
  std::vector<PmExample> examples = PlantedPairs(count, 1);
  for (int i = 0; i < count; ++i) {
    PmExample& example = examples[static_cast<size_t>(i)];
    example.worker = absl::StrCat("worker ", i % 5);
    example.chosen_side = i % 2 == 0 ? 1 : -1;
    if (i % 5 == 0) std::swap(example.chosen, example.rejected);
  }
  return examples;
}

TEST(FitWorkersByHalvesTest, FindsWhoSaysTheOpposite) {
  ASSERT_OK_AND_ASSIGN(
      const WorkerModel model,
      FitWorkersByHalves(Judged(400), Start, QuickTraining(), kGoOn));
  ASSERT_EQ(model.size(), 5u);
  EXPECT_LT(model.at("worker 0").temperature, 0);
  for (const char* worker : {"worker 1", "worker 2", "worker 3", "worker 4"}) {
    EXPECT_GT(model.at(worker).temperature, 0.5) << worker;
    EXPECT_EQ(model.at(worker).num_answers, 80);
  }
}

// A rewritten response is better than what it was made of, which is easy to see
// and no choice of the worker's.
TEST(FitWorkersByHalvesTest, EditsAreNoAnswersOfAWorker) {
  std::vector<PmExample> examples = Judged(400);
  for (PmExample edit : PlantedPairs(40, 2)) {
    edit.worker = "worker 0";
    edit.is_edit = true;
    examples.push_back(std::move(edit));
  }
  ASSERT_OK_AND_ASSIGN(
      const WorkerModel model,
      FitWorkersByHalves(examples, Start, QuickTraining(), kGoOn));
  EXPECT_EQ(model.at("worker 0").num_answers, 80);
  EXPECT_LT(model.at("worker 0").temperature, 0);
}

TEST(FitWorkersByHalvesTest, OnePromptTellsNothing) {
  std::vector<PmExample> examples = Judged(20);
  for (PmExample& example : examples) example.prompt_id = "the same";
  ASSERT_OK_AND_ASSIGN(
      const WorkerModel model,
      FitWorkersByHalves(examples, Start, QuickTraining(), kGoOn));
  EXPECT_TRUE(model.empty());
}

TEST(FitWorkersByHalvesTest, ProgressRisesToTheEndAndCanStopIt) {
  double last = 0;
  ASSERT_OK(
      FitWorkersByHalves(Judged(40), Start, QuickTraining(), [&](double share) {
        EXPECT_GE(share, last);
        last = share;
        return true;
      }).status());
  EXPECT_NEAR(last, 1, 1e-9);
  EXPECT_EQ(FitWorkersByHalves(Judged(40), Start, QuickTraining(),
                               [](double share) { return share < 0.6; })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace rlhf
