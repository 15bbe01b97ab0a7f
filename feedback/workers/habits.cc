#include "feedback/workers/habits.h"

#include "core/base/interval.h"
#include "core/comparisons/choice.h"

namespace rlhf {
ShareEstimate EstimateShare(int64_t hits, int64_t count) {
  if (count == 0) return {};
  const auto n = static_cast<double>(count);
  const auto found = static_cast<double>(hits);
  const Interval interval = WilsonInterval(found, n);
  return {.share = found / n,
          .low = interval.low,
          .high = interval.high,
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
