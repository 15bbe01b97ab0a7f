// What a preference model is worth on pairs that people have judged: how often
// it is right, where, whether it knows, and what it is biased by.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "trainer/preference/agreement.h"
#include "trainer/preference/calibration.h"
#include "trainer/preference/score_tranches.h"

namespace rlhf {

// One judged pair and its scores, log-odds.
struct MeasuredPair {
  double chosen_score = 0;
  double rejected_score = 0;
  // Tokens of the two dialogues.
  int64_t chosen_tokens = 0;
  int64_t rejected_tokens = 0;
  // What the pair belongs to: {"turn", "2"}, {"source", "page"}, …
  std::map<std::string, std::string> slices = {};
  // Who chose (empty: not known), and which part of the data it is of.
  std::string worker = {};
  std::string tranche = {};
  // WorkerChoice::pair and first_chosen.
  uint64_t pair = 0;
  bool first_chosen = false;

  double margin() const { return chosen_score - rejected_score; }
};

// The pairs that share the value `value` of the slice `name`.
struct SliceAccuracy {
  std::string name;
  std::string value;
  int64_t num_correct = 0;
  int64_t num_pairs = 0;
};

// Pairs of which both responses score above the threshold (Bai et al. 2022,
// §3.3: a PM knows less where scores are high).
struct ThresholdAccuracy {
  double threshold = 0;
  int64_t num_correct = 0;
  int64_t num_pairs = 0;
};

struct PmMeasurement {
  Calibration calibration;
  // 95 % bootstrap intervals, percentile method, 1,000 resamples.
  Interval ece_interval;
  Interval brier_interval;
  // Mean of log(1 + exp(-margin)), nats.
  double loss = 0;
  // Divides the margins so that the loss is least, and that loss. Above 1: the
  // model is surer than it may be. Within [0.01, 100].
  double temperature = 1;
  double loss_at_temperature = 0;
  // Correlation of margin and difference in tokens, chosen minus rejected, and
  // the share of pairs in which the model prefers the longer response, beside
  // people's share. Pairs of equal length are left out of the shares.
  double length_correlation = 0;
  double prefers_longer_share = 0;
  double people_prefer_longer_share = 0;
  // At the deciles 0, 10, …, 90 % of all scores.
  std::vector<ThresholdAccuracy> above_threshold;
  // By name, then value.
  std::vector<SliceAccuracy> slices;
  PmAgreement agreement;
  ScoreTranches tranches;
};

// Of the calibration of whatever is reported or judged.
inline constexpr int kCalibrationBins = 10;

// Pure; the resamples come from a fixed seed. No pair gives zeros, and
// intervals of [0, 1]. Dies on a score that is not finite.
PmMeasurement MeasurePm(const std::vector<MeasuredPair>& pairs, int num_bins);

// Every number of it, under the names of the fields; accuracies with their
// intervals.
Json ToJson(const PmMeasurement& measurement);

}  // namespace rlhf
