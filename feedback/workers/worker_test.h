// Whether a worker is to be trusted, from answers to gold questions: Wald's
// sequential probability ratio test (Ann. Math. Stat. 16, 1945), kept running.
//
// With g and b, the accuracies of a good and of a bad worker, a wrong answer
// adds log((1-b)/(1-g)) to a sum and a right one takes log(g/b) off. A worker
// is good when the sum has sunk to log(false_stay / (1 - false_pause)), which
// is Wald's lower bound. Two things differ from the textbook, because a worker
// is watched for as long as there is work:
//   - The sum never sinks below twice that bound, so that who grows careless
//     after a thousand right answers is found as fast as after fifty.
//   - The upper bound, at which a worker is paused, is the lowest at which one
//     of accuracy g is paused within the first 200 gold answers, whatever the
//     verdict before, with at most the probability false_pause. It is computed,
//     not approximated.
// Sums are integers, in hundredths of a nat.
#pragma once

#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

enum class WorkerVerdict { kUndecided, kGood, kPaused };

// "undecided", "good" or "paused".
const char* WorkerVerdictName(WorkerVerdict verdict);

// The answers within which `false_pause` holds.
inline constexpr int kWatchedGoldAnswers = 200;

struct WorkerTestRule {
  // Taken off for a right answer, added for a wrong one; both > 0.
  int right_points = 0;
  int wrong_points = 0;
  // The bounds: lowest < good_at < 0 < pause_at.
  int pause_at = 0;
  int good_at = 0;
  int lowest = 0;
};

// Errors: InvalidArgument if bad_accuracy is not clearly below good_accuracy.
absl::StatusOr<WorkerTestRule> MakeWorkerTestRule(
    const v1::WorkerTestConfig& config);

struct WorkerTestState {
  int points = 0;
  // Good until paused; paused for good, whatever is answered after.
  WorkerVerdict verdict = WorkerVerdict::kUndecided;
};

// `state` after one more gold answer.
WorkerTestState AfterGoldAnswer(const WorkerTestRule& rule,
                                WorkerTestState state, bool right);

// What becomes of workers who answer right with one probability, each answer
// for itself. Exact.
struct OperatingCharacteristic {
  // Share whose first verdict is "good", and gold answers until the first
  // verdict, on average.
  double first_good_share = 0;
  double answers_to_first = 0;
  // Share that is paused within kWatchedGoldAnswers.
  double paused_share = 0;
  // Gold answers until paused on average; who is not paused within ten times
  // kWatchedGoldAnswers counts with so many.
  double answers_to_pause = 0;
};

// `accuracy` is in [0, 1].
OperatingCharacteristic OperatingCharacteristicOf(const WorkerTestRule& rule,
                                                  double accuracy);

}  // namespace rlhf
