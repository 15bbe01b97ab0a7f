// Whether a freshly trained preference model may serve.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace rlhf {

// Right answers on the held-out comparisons.
struct HeldOutResult {
  int64_t correct = 0;
  int64_t total = 0;
};

struct GateInput {
  HeldOutResult candidate;
  // The serving PM on the same comparisons; nullopt if none serves yet.
  std::optional<HeldOutResult> incumbent;
  // True if every training and evaluation loss was finite.
  bool losses_finite = true;
  // The candidate must reach this accuracy, ...
  double min_accuracy = 0.5;
  // ... and may be at most this far below the incumbent's.
  double max_accuracy_drop = 0.03;
};

struct GateVerdict {
  bool promote = false;
  // One line for people: the decision with its numbers, and, where there were
  // too few comparisons to see a 3-point drop, that it is a smoke check only.
  std::string reason;
};

// Pure. Nothing held out is a refusal: there is no evidence. Dies unless
// 0 <= correct <= total and both models saw the same number of comparisons.
GateVerdict DecidePromotion(const GateInput& input);

}  // namespace rlhf
