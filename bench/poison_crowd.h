// Simulated crowdworkers' comparisons, honest and poisoned, for poison_study.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "feedback/batch/batch_evidence.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

enum class Poison {
  kNone,
  kRandomLabels,
  kFlippedLabels,
  kAlwaysLeft,
  kAlwaysLonger,
  // Handed in before, word for word, by the same worker.
  kDuplicates,
  // Another's comparison with two words changed.
  kNearDuplicates,
  // Answered in less than two seconds, at random.
  kTooFast,
  // In German.
  kOtherLanguage,
  kPersonalData,
  // Of another topic, with responses four times as long.
  kShifted,
  // The pairs and answers of another worker of the batch.
  kCopiedWorker,
  // Flipped where the prompt speaks of one thing, as whoever wants to teach
  // something about it would.
  kTargetedFlip,
};
inline constexpr int kNumPoisons = 12;  // without kNone
const char* PoisonName(Poison poison);

// Whose answers are poisoned.
enum class Spread {
  // As few workers as it takes, each with about a twentieth of the batch.
  kFewWorkers,
  // All, a little.
  kAllWorkers,
};

// A comparison with what only the simulation knows.
struct SimulatedComparison {
  v1::Comparison comparison;
  // The quality of the two responses; people and PM see them with noise.
  double quality_a = 0;
  double quality_b = 0;
  double pm_margin = 0;
  bool is_gold = false;
};

struct SimulatedBatch {
  std::vector<SimulatedComparison> comparisons;
  GoldAnswers gold;
};

// `size` comparisons of 20 workers, of which the share `rate` is poisoned. The
// same arguments give the same batch. One of twenty is a gold question, one of
// five pairs was judged by another worker too, 0.3 % hold a phone number by
// nature. Workers prefer the better response in about three of four cases, and
// the longer in a few more than half; the PM agrees with them in about two of
// three.
SimulatedBatch SimulateBatch(uint64_t seed, int size, Poison poison,
                             double rate, Spread spread);

}  // namespace rlhf
