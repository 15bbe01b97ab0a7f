// Whether a freshly trained preference model may serve. Three looks, each at
// what the one before let pass: at the held-out comparisons, at what it says of
// live dialogues beside the serving PM (shadow), and at updates that it rewards
// on trial (canary). All pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainer/preference/paired_test.h"
#include "trainer/preference/pm_measurement.h"

namespace rlhf {

// Of GateConfig in config.proto, where each is explained.
struct GateThresholds {
  double min_accuracy = 0.5;
  double max_accuracy_drop = 0.03;
  double significance = 0.01;
  int64_t min_slice_pairs = 100;
  double max_slice_drop = 0.1;
  double max_calibration_error = 0.15;
  double max_length_bias = 0.2;
  double min_rank_correlation = -1;
  double min_agreement = 0;
  double max_score_offset = 0;
};

// Right answers on the held-out comparisons.
struct HeldOutResult {
  int64_t correct = 0;
  int64_t total = 0;
};

// The serving PM on the same comparisons.
struct Incumbent {
  HeldOutResult result;
  Discordance discordance;
  // By slice.
  std::vector<SliceComparison> slices = {};
};

struct HeldOutEvidence {
  HeldOutResult candidate;
  // nullopt if none serves yet.
  std::optional<Incumbent> incumbent;
  // True if every training and evaluation loss was finite.
  bool losses_finite = true;
  // Lower end of the 95 % interval of the expected calibration error.
  double calibration_error_low = 0;
  // Share of pairs in which the candidate prefers the longer response, less
  // people's share.
  double length_bias = 0;
};

// ShadowStatus in reward.proto.
struct ShadowEvidence {
  int64_t num_dialogues = 0;
  int64_t num_wanted = 0;
  double rank_correlation = 0;
  double agreement = 0;
  double mean = 0;
  double serving_mean = 0;
  double serving_deviation = 0;
};

// Updates that the candidate rewarded, those of them that were left out as
// diverged, and why it could not score a live dialogue.
struct CanaryEvidence {
  int64_t num_updates = 0;
  int64_t num_left_out = 0;
  int64_t num_wanted = 0;
  // Of the whole run, whoever rewarded them.
  int64_t num_updates_in_all = 0;
  // Empty: it scored all that it was asked for.
  std::string scoring_error = {};
};

struct GateFinding {
  std::string name;
  bool passed = false;
  // What was found and what was wanted.
  std::string detail;
};

struct GateVerdict {
  // Every finding passed.
  bool promote = false;
  // One line for people: what was refused and why, or what passed, with its
  // numbers.
  std::string reason;
  std::vector<GateFinding> findings;
};

// Nothing held out is a refusal: there is no evidence. The reason tells the
// drop that so many comparisons can show, and, where that is more than 3
// points, that it is a smoke check only. Dies unless 0 <= correct <= total and
// both models saw the same number of comparisons.
GateVerdict DecidePromotion(const HeldOutEvidence& evidence,
                            const GateThresholds& thresholds = {});

// A candidate that scored nothing is refused: it could not be loaded, could not
// score, or nobody asked. Fewer dialogues than were wanted are enough, but
// fewer than 8 say nothing of order and offset.
GateVerdict DecideShadow(const ShadowEvidence& evidence,
                         const GateThresholds& thresholds);

// A dialogue that it could not score is a refusal, an update that was left out
// too, and so are fewer updates than were wanted: the learner went on without
// it.
GateVerdict DecideCanary(const CanaryEvidence& evidence);

}  // namespace rlhf
