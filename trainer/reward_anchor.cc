#include "trainer/reward_anchor.h"

#include <cmath>

#include "core/base/check.h"

namespace rlhf {

RewardAnchor ComputeAnchor(const std::vector<double>& scores) {
  RLHF_CHECK(!scores.empty());
  const auto count = static_cast<double>(scores.size());
  RewardAnchor anchor;
  for (const double score : scores) anchor.mean += score / count;
  double variance = 0;
  for (const double score : scores) {
    variance += (score - anchor.mean) * (score - anchor.mean) / count;
  }
  const double deviation = std::sqrt(variance);
  // Below this the PM does not tell the anchor's rollouts apart, and dividing
  // would only blow up rounding.
  anchor.scale = deviation > 1e-6 ? deviation : 1;
  return anchor;
}

}  // namespace rlhf
