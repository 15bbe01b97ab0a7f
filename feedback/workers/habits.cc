#include "feedback/workers/habits.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"
#include "core/comparisons/choice.h"

namespace rlhf {
namespace {

// Quantile of the normal distribution for 95 %.
constexpr double kZ = 1.959964;

}  // namespace

ShareEstimate EstimateShare(int64_t hits, int64_t count) {
  RLHF_CHECK(hits >= 0 && hits <= count) << hits << " of " << count;
  if (count == 0) return {};
  const auto n = static_cast<double>(count);
  const double share = static_cast<double>(hits) / n;
  const double scale = 1 / (1 + kZ * kZ / n);
  const double centre = scale * (share + kZ * kZ / (2 * n));
  const double half =
      scale * kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  return {.share = share,
          .low = std::max(0.0, centre - half),
          .high = std::min(1.0, centre + half),
          .count = count};
}

std::optional<bool> PickedLeft(const v1::Comparison& comparison) {
  if (!IsDecided(comparison)) return std::nullopt;
  const bool picked_a = (comparison.choice() == v1::A_BETTER) !=
                        (comparison.task_kind() == v1::RED_TEAM);
  return picked_a != comparison.shown_swapped();
}

std::optional<bool> PreferredLonger(const v1::Comparison& comparison) {
  const size_t a = comparison.response_a().size();
  const size_t b = comparison.response_b().size();
  if (!IsDecided(comparison) || a == b) return std::nullopt;
  return (comparison.choice() == v1::A_BETTER) == (a > b);
}

void Habits::Add(const v1::Comparison& comparison) {
  if (const auto left = PickedLeft(comparison)) {
    ++num_sided_;
    num_left_ += *left;
  }
  if (const auto longer = PreferredLonger(comparison)) {
    ++num_unequal_;
    num_longer_ += *longer;
  }
}

}  // namespace rlhf
