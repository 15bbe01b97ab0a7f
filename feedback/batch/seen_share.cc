#include "feedback/batch/seen_share.h"

#include <cmath>

#include "absl/strings/str_format.h"

namespace rlhf {

Interval IntervalOf(const SeenShare& share, double quantile) {
  return WilsonInterval(static_cast<double>(share.count),
                        static_cast<double>(share.total), quantile);
}

Interval DifferenceInterval(const SeenShare& a, const SeenShare& b,
                            double quantile) {
  if (a.total == 0 || b.total == 0) return {.low = -1, .high = 1};
  const Interval of_a = IntervalOf(a, quantile);
  const Interval of_b = IntervalOf(b, quantile);
  const double difference = a.value() - b.value();
  return {.low = difference -
                 std::hypot(a.value() - of_a.low, of_b.high - b.value()),
          .high = difference +
                  std::hypot(of_a.high - a.value(), b.value() - of_b.low)};
}

std::string DescribeShare(const SeenShare& share, double quantile) {
  if (share.total == 0) return "0 of 0";
  const Interval interval = IntervalOf(share, quantile);
  return absl::StrFormat("%d of %d (%.1f %%, %s interval %.1f to %.1f)",
                         share.count, share.total, 100 * share.value(),
                         quantile > 3 ? "99.9 %" : "95 %", 100 * interval.low,
                         100 * interval.high);
}

}  // namespace rlhf
