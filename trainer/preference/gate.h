// Whether a freshly trained preference model may serve.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "trainer/preference/paired_test.h"

namespace rlhf {

// Right answers on the held-out comparisons.
struct HeldOutResult {
  int64_t correct = 0;
  int64_t total = 0;
};

// The serving PM on the same comparisons.
struct Incumbent {
  HeldOutResult result;
  Discordance discordance;
};

struct GateInput {
  HeldOutResult candidate;
  // nullopt if none serves yet.
  std::optional<Incumbent> incumbent;
  // True if every training and evaluation loss was finite.
  bool losses_finite = true;
  // The candidate must reach this accuracy, ...
  double min_accuracy = 0.5;
  // ... may be at most this far below the incumbent's, ...
  double max_accuracy_drop = 0.03;
  // ... and not below it at all if that can hardly be chance: the sign test's
  // probability is less than this. An equal candidate is refused that often.
  double significance = 0.02;
};

struct GateVerdict {
  bool promote = false;
  // One line for people: the decision with its numbers, the drop that so many
  // comparisons can show, and, where that is more than 3 points, that it is a
  // smoke check only.
  std::string reason;
};

// Pure. Nothing held out is a refusal: there is no evidence. Dies unless
// 0 <= correct <= total and both models saw the same number of comparisons.
GateVerdict DecidePromotion(const GateInput& input);

}  // namespace rlhf
