#include "crowd/simulated_worker.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

constexpr int kDraws = 2000;

v1::CrowdWorker MakeWorker(double accuracy, double left_bias) {
  v1::CrowdWorker worker;
  worker.set_worker_id("ann");
  worker.set_accuracy(accuracy);
  worker.set_left_bias(left_bias);
  worker.set_seconds_per_task(2);
  return worker;
}

// The share of tasks in which `worker` takes the left side.
double LeftShare(const v1::CrowdWorker& worker, double left, double right) {
  int num_left = 0;
  for (int i = 0; i < kDraws; ++i) {
    num_left +=
        AnswerTask(worker, {left, right}, absl::StrCat("task-", i), 1).choice ==
        "left_better";
  }
  return static_cast<double>(num_left) / kDraws;
}

double ThreeSigma(double p) { return 3 * std::sqrt(p * (1 - p) / kDraws); }

TEST(SimulatedWorkerTest, AgreesWithGoldAsOftenAsItsAccuracy) {
  EXPECT_NEAR(LeftShare(MakeWorker(0.8, 0), 2, 1), 0.8, ThreeSigma(0.8));
  EXPECT_NEAR(LeftShare(MakeWorker(0.8, 0), 1, 2), 0.2, ThreeSigma(0.2));
}

TEST(SimulatedWorkerTest, LeftBiasComesBeforeReading) {
  // 0.3 + 0.7 * 0.2 = 0.44 where the right side is better.
  EXPECT_NEAR(LeftShare(MakeWorker(0.8, 0.3), 1, 2), 0.44, ThreeSigma(0.44));
}

TEST(SimulatedWorkerTest, PerfectWorkerNeverErrs) {
  EXPECT_EQ(LeftShare(MakeWorker(1, 0), 2, 1), 1);
  EXPECT_EQ(LeftShare(MakeWorker(1, 0), 1, 2), 0);
}

TEST(SimulatedWorkerTest, EqualScoresAreATie) {
  const WorkerAnswer answer = AnswerTask(MakeWorker(0.8, 0), {1, 1}, "task", 1);
  EXPECT_EQ(answer.choice, "tie");
  EXPECT_EQ(answer.strength, 0);
}

TEST(SimulatedWorkerTest, StrengthGrowsWithTheDifference) {
  const v1::CrowdWorker worker = MakeWorker(0.8, 0);
  const auto strength = [&worker](double left, double right) {
    return AnswerTask(worker, {left, right}, "task", 1).strength;
  };
  EXPECT_EQ(strength(0, 0.75), 1);
  EXPECT_EQ(strength(0, 1), 2);
  EXPECT_EQ(strength(2, 0), 2);
  EXPECT_EQ(strength(3, 0), 3);
}

TEST(SimulatedWorkerTest, SecondsAreUniformAroundTheMean) {
  double sum = 0, smallest = 99, largest = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double seconds =
        AnswerTask(MakeWorker(0.8, 0), {1, 2}, absl::StrCat(i), 1).seconds;
    sum += seconds;
    smallest = std::min(smallest, seconds);
    largest = std::max(largest, seconds);
  }
  // Uniform in [1, 3]: mean 2, standard deviation 2 / sqrt(12).
  EXPECT_NEAR(sum / kDraws, 2, 3 * 2 / std::sqrt(12.0 * kDraws));
  EXPECT_GE(smallest, 1);
  EXPECT_LE(largest, 3);
}

TEST(SimulatedWorkerTest, DecisionFollowsFromSeedWorkerAndTaskOnly) {
  v1::CrowdWorker other = MakeWorker(0.8, 0);
  other.set_worker_id("bob");
  const auto seconds = [](const v1::CrowdWorker& worker, uint64_t seed,
                          const std::string& task) {
    return AnswerTask(worker, {1, 2}, task, seed).seconds;
  };
  const v1::CrowdWorker worker = MakeWorker(0.8, 0);
  EXPECT_EQ(seconds(worker, 1, "a"), seconds(worker, 1, "a"));
  EXPECT_NE(seconds(worker, 1, "a"), seconds(worker, 1, "b"));
  EXPECT_NE(seconds(worker, 1, "a"), seconds(worker, 2, "a"));
  EXPECT_NE(seconds(worker, 1, "a"), seconds(other, 1, "a"));
}

}  // namespace
}  // namespace rlhf
