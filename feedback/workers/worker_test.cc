#include "feedback/workers/worker_test.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr double kPointsPerNat = 100;

int Points(double nats) {
  return static_cast<int>(std::lround(kPointsPerNat * nats));
}

struct WalkEnd {
  double paused = 0;
  double good = 0;
  // Those that did not end count with the last answer.
  double mean_answers = 0;
};

// The walk of the sum, as a distribution over its values, for `max_answers`.
// `ends_at_good`: it ends with the first verdict; else only where it is paused.
WalkEnd Walk(const WorkerTestRule& rule, double accuracy, bool ends_at_good,
             int max_answers) {
  const int bottom = ends_at_good ? rule.good_at : rule.lowest;
  const int num_values = rule.pause_at - bottom;
  std::vector<double> share(num_values, 0.0);
  std::vector<double> next;
  share[-bottom] = 1;
  WalkEnd end;
  double walking = 1;
  for (int answer = 1; answer <= max_answers; ++answer) {
    next.assign(num_values, 0.0);
    const double before = end.paused + end.good;
    for (int value = 0; value < num_values; ++value) {
      if (share[value] == 0) continue;
      const int lower = value - rule.right_points;
      const int higher = value + rule.wrong_points;
      const bool is_good = ends_at_good && lower <= 0;
      (is_good ? end.good : next[std::max(lower, 0)]) +=
          accuracy * share[value];
      (higher >= num_values ? end.paused : next[higher]) +=
          (1 - accuracy) * share[value];
    }
    const double ended = end.paused + end.good - before;
    end.mean_answers += answer * ended;
    walking -= ended;
    share.swap(next);
  }
  end.mean_answers += max_answers * std::max(walking, 0.0);
  return end;
}

// The lowest upper bound at which a worker of `accuracy` is paused within
// kWatchedGoldAnswers with at most the probability `false_pause`.
int FindPauseAt(WorkerTestRule rule, double accuracy, double false_pause) {
  // Without the floor, exp(-bound) would do (Ville's inequality); the floor can
  // only let the sum begin again, which it does at most once an answer.
  int high = Points(std::log(kWatchedGoldAnswers / false_pause));
  int low = 1;
  while (low < high) {
    rule.pause_at = low + (high - low) / 2;
    const double paused =
        Walk(rule, accuracy, /*ends_at_good=*/false, kWatchedGoldAnswers)
            .paused;
    if (paused <= false_pause) {
      high = rule.pause_at;
    } else {
      low = rule.pause_at + 1;
    }
  }
  return high;
}

}  // namespace

const char* WorkerVerdictName(WorkerVerdict verdict) {
  switch (verdict) {
    case WorkerVerdict::kGood:
      return "good";
    case WorkerVerdict::kPaused:
      return "paused";
    case WorkerVerdict::kUndecided:
      break;
  }
  return "undecided";
}

absl::StatusOr<WorkerTestRule> MakeWorkerTestRule(
    const v1::WorkerTestConfig& config) {
  const double good = config.good_accuracy();
  const double bad = config.bad_accuracy();
  // Closer ones would round to steps of nothing.
  if (bad > good - 0.05) {
    return absl::InvalidArgumentError(
        absl::StrCat("worker_test.bad_accuracy is ", bad, " and good_accuracy ",
                     good, "; the bad one must be at least 0.05 lower"));
  }
  WorkerTestRule rule;
  rule.right_points = Points(std::log(good / bad));
  rule.wrong_points = Points(std::log((1 - bad) / (1 - good)));
  rule.good_at = std::min(
      -1, Points(std::log(config.false_stay() / (1 - config.false_pause()))));
  rule.lowest = 2 * rule.good_at;
  rule.pause_at = FindPauseAt(rule, good, config.false_pause());
  return rule;
}

WorkerTestState AfterGoldAnswer(const WorkerTestRule& rule,
                                WorkerTestState state, bool right) {
  if (state.verdict == WorkerVerdict::kPaused) return state;
  state.points += right ? -rule.right_points : rule.wrong_points;
  state.points = std::max(state.points, rule.lowest);
  if (state.points >= rule.pause_at) {
    state.verdict = WorkerVerdict::kPaused;
  } else if (state.points <= rule.good_at) {
    state.verdict = WorkerVerdict::kGood;
  }
  return state;
}

OperatingCharacteristic OperatingCharacteristicOf(const WorkerTestRule& rule,
                                                  double accuracy) {
  constexpr int kLong = 10 * kWatchedGoldAnswers;
  const WalkEnd first = Walk(rule, accuracy, /*ends_at_good=*/true, kLong);
  return {.first_good_share = first.good,
          .answers_to_first = first.mean_answers,
          .paused_share =
              Walk(rule, accuracy, /*ends_at_good=*/false, kWatchedGoldAnswers)
                  .paused,
          .answers_to_pause =
              Walk(rule, accuracy, /*ends_at_good=*/false, kLong).mean_answers};
}

}  // namespace rlhf
