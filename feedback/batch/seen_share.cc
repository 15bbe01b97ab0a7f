#include "feedback/batch/seen_share.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "core/base/check.h"

namespace rlhf {

ShareInterval IntervalOf(const SeenShare& share, double quantile) {
  RLHF_CHECK(share.count >= 0 && share.count <= share.total)
      << share.count << " of " << share.total;
  if (share.total == 0) return {};
  const double n = share.total;
  const double p = share.value();
  const double q = quantile * quantile / n;
  const double center = (p + q / 2) / (1 + q);
  const double half =
      quantile * std::sqrt(p * (1 - p) / n + q / (4 * n)) / (1 + q);
  return {.low = std::max(0.0, center - half),
          .high = std::min(1.0, center + half)};
}

ShareInterval DifferenceInterval(const SeenShare& a, const SeenShare& b,
                                 double quantile) {
  if (a.total == 0 || b.total == 0) return {.low = -1, .high = 1};
  const ShareInterval of_a = IntervalOf(a, quantile);
  const ShareInterval of_b = IntervalOf(b, quantile);
  const double difference = a.value() - b.value();
  return {.low = difference -
                 std::hypot(a.value() - of_a.low, of_b.high - b.value()),
          .high = difference +
                  std::hypot(of_a.high - a.value(), b.value() - of_b.low)};
}

std::string DescribeShare(const SeenShare& share, double quantile) {
  if (share.total == 0) return "0 of 0";
  const ShareInterval interval = IntervalOf(share, quantile);
  return absl::StrFormat("%d of %d (%.1f %%, %s interval %.1f to %.1f)",
                         share.count, share.total, 100 * share.value(),
                         quantile > 3 ? "99.9 %" : "95 %", 100 * interval.low,
                         100 * interval.high);
}

}  // namespace rlhf
