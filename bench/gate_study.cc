// How often the gate refuses a PM that learned from flipped labels, and how
// often one that is as good as the serving PM.
//
//     gate_study [ROUNDS] [HELD_OUT_PAIRS] [TRAINING_PAIRS]
//
// The crowd is simulated_crowd.h's. The serving PM and each candidate learn
// from comparisons of their own; of a bad candidate's 30 % are flipped besides.
// The gate has its defaults. Rounds follow from their numbers and run at once,
// as many as there are cores. Prints JSON.
#include <ATen/Parallel.h>

#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/simulated_crowd.h"
#include "bench/study_rounds.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "trainer/preference/gate.h"

namespace rlhf {
namespace {

constexpr double kFlipped = 0.3;

struct Setting {
  int rounds = 100;
  int64_t held_out_pairs = 3000;
  int64_t training_pairs = 4000;
};

// What became of one candidate.
struct Outcome {
  bool refused = false;
  double accuracy = 0;
};

struct Round {
  double serving_accuracy = 0;
  Outcome flipped, equal;
};

// Asks the gate about a candidate beside the serving PM.
Outcome Judge(const char* name, const std::vector<MeasuredPair>& candidate,
              const std::vector<MeasuredPair>& serving) {
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
  std::cerr << absl::StrCat(name, ": ", verdict.reason, "\n");
  return {.refused = !verdict.promote, .accuracy = found.calibration.accuracy};
}

Round MakeRound(const Setting& setting, int number) {
  at::set_num_threads(1);  // of this thread
  const auto seed = [number](uint64_t use) {
    return MixHash(MixHash(5, static_cast<uint64_t>(number)), use);
  };
  const std::vector<PmExample> held_out =
      Crowd(setting.held_out_pairs, seed(1), 0);
  const auto train = [&](uint64_t use, double share) {
    return TrainAndScore(Crowd(setting.training_pairs, seed(use), share),
                         held_out, seed(use));
  };
  const std::vector<MeasuredPair> serving = train(2, 0);
  return {.serving_accuracy =
              MeasurePm(serving, kCalibrationBins).calibration.accuracy,
          .flipped = Judge("flipped", train(3, kFlipped), serving),
          .equal = Judge("equal", train(4, 0), serving)};
}

int Main(int argc, char** argv) {
  Setting setting;
  if (argc > 1) setting.rounds = std::stoi(argv[1]);
  if (argc > 2) setting.held_out_pairs = std::stoll(argv[2]);
  if (argc > 3) setting.training_pairs = std::stoll(argv[3]);
  std::vector<Round> rounds(static_cast<size_t>(setting.rounds));
  RunRounds(setting.rounds, [&](int number) {
    rounds[static_cast<size_t>(number)] = MakeRound(setting, number);
  });
  int flipped = 0, equal = 0;
  Round mean;
  for (const Round& round : rounds) {
    flipped += round.flipped.refused ? 1 : 0;
    equal += round.equal.refused ? 1 : 0;
    mean.serving_accuracy += round.serving_accuracy / setting.rounds;
    mean.flipped.accuracy += round.flipped.accuracy / setting.rounds;
    mean.equal.accuracy += round.equal.accuracy / setting.rounds;
  }
  std::cout << DumpJson({{"rounds", setting.rounds},
                         {"held_out_pairs", setting.held_out_pairs},
                         {"training_pairs", setting.training_pairs},
                         {"serving_accuracy_mean", mean.serving_accuracy},
                         {"flipped_refused", flipped},
                         {"flipped_accuracy_mean", mean.flipped.accuracy},
                         {"equal_refused", equal},
                         {"equal_accuracy_mean", mean.equal.accuracy}})
            << "\n";
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
