// How often a preference model is right, and whether it knows.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "core/base/interval.h"

namespace rlhf {

// Pairs about whose winner the model was about equally sure.
struct CalibrationBin {
  int64_t count = 0;
  // The model's mean probability for the response that it prefers, and the
  // share of pairs in which people prefer it too. Both 0 if the bin is empty.
  double confidence = 0;
  double accuracy = 0;
};

struct Calibration {
  int64_t num_correct = 0;
  int64_t num_pairs = 0;
  // 0 if there is no pair; then `interval` is [0, 1].
  double accuracy = 0;
  Interval interval;
  // Mean over pairs of |confidence - accuracy| of the pair's bin.
  double expected_calibration_error = 0;
  // Mean of (1 - probability given to what people chose)^2; 0.25 is a coin's.
  double brier = 0;
  // Of equal width over the confidences [0.5, 1]; the last one includes 1.
  std::vector<CalibrationBin> bins;
};

// `margins` are score(chosen) - score(rejected), finite; the model's
// probability for its own preference is 1 / (1 + exp(-|margin|)). A pair counts
// as correct if its margin is above 0: a tie is no merit. `num_bins` >= 1.
Calibration ComputeCalibration(absl::Span<const double> margins, int num_bins);

}  // namespace rlhf
