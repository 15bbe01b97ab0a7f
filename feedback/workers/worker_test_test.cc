#include "feedback/workers/worker_test.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

WorkerTestRule DefaultRule() {
  return *MakeWorkerTestRule(v1::WorkerTestConfig());
}

struct Crowd {
  double paused_share = 0;
  // Of those that were paused.
  double answers_to_pause = 0;
};

// `num_workers` workers of one accuracy, each for at most `max_answers`.
Crowd Simulate(const WorkerTestRule& rule, double accuracy, int num_workers,
               int max_answers) {
  std::mt19937_64 random(7);
  std::bernoulli_distribution is_right(accuracy);
  int num_paused = 0;
  double answers = 0;
  for (int worker = 0; worker < num_workers; ++worker) {
    WorkerTestState state;
    for (int answer = 1; answer <= max_answers; ++answer) {
      state = AfterGoldAnswer(rule, state, is_right(random));
      if (state.verdict != WorkerVerdict::kPaused) continue;
      ++num_paused;
      answers += answer;
      break;
    }
  }
  return {static_cast<double>(num_paused) / num_workers, answers / num_paused};
}

TEST(WorkerTestTest, RandomClickerIsPausedWithin15GoldAnswersOnAverage) {
  const Crowd crowd = Simulate(DefaultRule(), 0.5, 20'000, 2'000);
  EXPECT_EQ(crowd.paused_share, 1);
  EXPECT_LE(crowd.answers_to_pause, 15);
  RecordProperty("answers_to_pause", std::to_string(crowd.answers_to_pause));
}

TEST(WorkerTestTest, AtMostOneInAHundredGoodWorkersIsEverPaused) {
  const Crowd crowd = Simulate(DefaultRule(), 0.85, 200'000, 200);
  EXPECT_LE(crowd.paused_share, 0.01);
  RecordProperty("paused_share", std::to_string(crowd.paused_share));
}

TEST(WorkerTestTest, OperatingCharacteristicIsWhatSimulatedWorkersShow) {
  const WorkerTestRule rule = DefaultRule();
  for (const double accuracy : {0.3, 0.5, 0.7, 0.8}) {
    const auto exact = OperatingCharacteristicOf(rule, accuracy);
    const int num_workers = 10'000;
    const Crowd crowd = Simulate(rule, accuracy, num_workers, 200);
    const double share = exact.paused_share;
    EXPECT_NEAR(crowd.paused_share, share,
                4 * std::sqrt(share * (1 - share) / num_workers) + 1e-9)
        << accuracy;
  }
}

// Worked out by an independent program in Python.
TEST(WorkerTestTest, DefaultsAreWhatAnIndependentComputationGives) {
  const WorkerTestRule rule = DefaultRule();
  EXPECT_EQ(rule.right_points, 44);
  EXPECT_EQ(rule.wrong_points, 110);
  EXPECT_EQ(rule.pause_at, 419);
  EXPECT_EQ(rule.good_at, -299);
  const auto coin = OperatingCharacteristicOf(rule, 0.5);
  EXPECT_NEAR(coin.answers_to_pause, 14.43, 0.005);
  EXPECT_NEAR(coin.first_good_share, 0.0178, 0.0001);
  const auto good = OperatingCharacteristicOf(rule, 0.85);
  EXPECT_NEAR(good.paused_share, 0.0092, 0.0001);
  EXPECT_NEAR(good.answers_to_first, 14.83, 0.005);
}

// Two answers decide: g = 0.8 and b = 0.2 give steps of log 4 = 139 points, and
// false_stay / (1 - false_pause) = 0.1 / 0.9 gives a bound of -220 points. So
// two right answers make a good worker.
TEST(WorkerTestTest, StepsAndLowerBoundAreWalds) {
  v1::WorkerTestConfig config;
  config.set_good_accuracy(0.8);
  config.set_bad_accuracy(0.2);
  config.set_false_pause(0.1);
  config.set_false_stay(0.1);
  ASSERT_OK_AND_ASSIGN(const WorkerTestRule rule, MakeWorkerTestRule(config));
  EXPECT_EQ(rule.right_points, 139);
  EXPECT_EQ(rule.wrong_points, 139);
  EXPECT_EQ(rule.good_at, -220);
  EXPECT_EQ(rule.lowest, -440);
  WorkerTestState state = AfterGoldAnswer(rule, {}, true);
  EXPECT_EQ(state.verdict, WorkerVerdict::kUndecided);
  EXPECT_EQ(AfterGoldAnswer(rule, state, true).verdict, WorkerVerdict::kGood);
}

// A symmetric walk by hand: steps of 1, paused at 2, good at -2, accuracy 1/2.
// After two answers a quarter is paused, a quarter good; the other half is at
// zero again: 2 + 2/2 + 2/4 + … = 4 answers, and half of the verdicts are good.
TEST(WorkerTestTest, OperatingCharacteristicOfAWalkWorkedOutByHand) {
  const WorkerTestRule rule = {.right_points = 1,
                               .wrong_points = 1,
                               .pause_at = 2,
                               .good_at = -2,
                               .lowest = -4};
  const auto result = OperatingCharacteristicOf(rule, 0.5);
  EXPECT_NEAR(result.first_good_share, 0.5, 1e-12);
  EXPECT_NEAR(result.answers_to_first, 4, 1e-9);
  // From the reflecting floor at -4 to 2 (Gambler's ruin): the answers from a
  // value v, d = 2 - v below the end, are d (13 - d), and d = 2 here.
  EXPECT_NEAR(result.answers_to_pause, 22, 1e-6);
}

TEST(WorkerTestTest, WorkerWhoGrowsCarelessIsFoundAfterAThousandRightAnswers) {
  const WorkerTestRule rule = DefaultRule();
  WorkerTestState state;
  for (int i = 0; i < 1000; ++i) state = AfterGoldAnswer(rule, state, true);
  EXPECT_EQ(state.verdict, WorkerVerdict::kGood);
  int num_answers = 0;
  while (state.verdict != WorkerVerdict::kPaused) {
    state = AfterGoldAnswer(rule, state, num_answers % 2 == 0);
    ASSERT_LT(++num_answers, 60);
  }
  EXPECT_EQ(AfterGoldAnswer(rule, state, true).verdict, WorkerVerdict::kPaused);
}

TEST(WorkerTestTest, PauseBoundIsTheLowestThatKeepsItsPromise) {
  v1::WorkerTestConfig config;
  for (const double false_pause : {0.001, 0.01, 0.1}) {
    config.set_false_pause(false_pause);
    WorkerTestRule rule = *MakeWorkerTestRule(config);
    const double good = config.good_accuracy();
    EXPECT_LE(OperatingCharacteristicOf(rule, good).paused_share, false_pause);
    --rule.pause_at;
    EXPECT_GT(OperatingCharacteristicOf(rule, good).paused_share, false_pause);
  }
}

TEST(WorkerTestTest, BadAccuracyMustBeBelowTheGoodOne) {
  v1::WorkerTestConfig config;
  config.set_good_accuracy(0.7);
  config.set_bad_accuracy(0.7);
  EXPECT_THAT(MakeWorkerTestRule(config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at least 0.05 lower")));
}

}  // namespace
}  // namespace rlhf
