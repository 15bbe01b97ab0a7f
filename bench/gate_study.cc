// How often the gate refuses a PM that learned from flipped labels, and how
// often one that is as good as the serving PM.
//
//     gate_study [ROUNDS] [HELD_OUT_PAIRS] [TRAINING_PAIRS]
//
// The crowd is simulated_crowd.h's. The serving PM and each candidate learn
// from comparisons of their own; of a bad candidate's 30 % are flipped besides.
// The gate has its defaults. Prints JSON.
#include <ATen/Parallel.h>

#include <iostream>
#include <string>
#include <vector>

#include "bench/simulated_crowd.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "trainer/preference/gate.h"

namespace rlhf {
namespace {

constexpr double kFlipped = 0.3;

struct Outcome {
  int64_t refused = 0;
  double accuracy = 0;  // mean
};

// Asks the gate about a candidate beside the serving PM and counts its verdict.
void Judge(const char* name, const std::vector<MeasuredPair>& candidate,
           const std::vector<MeasuredPair>& serving, int64_t rounds,
           Outcome& outcome) {
  const PmMeasurement found = MeasurePm(candidate, kCalibrationBins);
  const Calibration incumbent =
      MeasurePm(serving, kCalibrationBins).calibration;
  const GateVerdict verdict = DecidePromotion(
      {.candidate = {found.calibration.num_correct,
                     found.calibration.num_pairs},
       .incumbent = Incumbent{{incumbent.num_correct, incumbent.num_pairs},
                              CountDiscordance(candidate, serving),
                              CompareSlices(candidate, serving)},
       .calibration_error_low = found.ece_interval.low,
       .length_bias =
           found.prefers_longer_share - found.people_prefer_longer_share});
  outcome.refused += verdict.promote ? 0 : 1;
  outcome.accuracy += found.calibration.accuracy / static_cast<double>(rounds);
  std::cerr << name << ": " << verdict.reason << "\n";
}

int Main(int argc, char** argv) {
  const int64_t rounds = argc > 1 ? std::stoll(argv[1]) : 100;
  const int64_t held_out_pairs = argc > 2 ? std::stoll(argv[2]) : 3000;
  const int64_t training_pairs = argc > 3 ? std::stoll(argv[3]) : 4000;
  at::set_num_threads(1);
  Outcome flipped, equal;
  double serving_accuracy = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    const auto seed = [round](uint64_t use) {
      return MixHash(MixHash(5, static_cast<uint64_t>(round)), use);
    };
    const std::vector<PmExample> held_out = Crowd(held_out_pairs, seed(1), 0);
    const auto train = [&](uint64_t use, double share) {
      return TrainAndScore(Crowd(training_pairs, seed(use), share), held_out,
                           seed(use));
    };
    const std::vector<MeasuredPair> serving = train(2, 0);
    serving_accuracy +=
        MeasurePm(serving, kCalibrationBins).calibration.accuracy /
        static_cast<double>(rounds);
    Judge("flipped", train(3, kFlipped), serving, rounds, flipped);
    Judge("equal", train(4, 0), serving, rounds, equal);
    std::cerr << "round " << round + 1 << " of " << rounds << ": refused "
              << flipped.refused << " flipped, " << equal.refused << " equal\n";
  }
  std::cout << DumpJson({{"rounds", rounds},
                         {"held_out_pairs", held_out_pairs},
                         {"training_pairs", training_pairs},
                         {"serving_accuracy_mean", serving_accuracy},
                         {"flipped_refused", flipped.refused},
                         {"flipped_accuracy_mean", flipped.accuracy},
                         {"equal_refused", equal.refused},
                         {"equal_accuracy_mean", equal.accuracy}})
            << "\n";
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
