// Shares seen in a sample, and what they surely say of where it comes from.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/interval.h"

namespace rlhf {

// `count` of `total`; 0 <= count <= total.
struct SeenShare {
  int64_t count = 0;
  int64_t total = 0;

  void Add(bool is_one) {
    count += is_one ? 1 : 0;
    ++total;
  }
  // 0 if nothing was seen.
  double value() const {
    return total == 0 ? 0 : static_cast<double>(count) / total;
  }
};

// Standard normal quantiles of intervals of 95 % and 99.9 %: the first for one
// look at a whole batch, the second for a look at each of its workers.
inline constexpr double kBatchQuantile = kQuantile95;
inline constexpr double kWorkerQuantile = 3.290527;

// As WilsonInterval.
Interval IntervalOf(const SeenShare& share, double quantile);

// An interval in [-1, 1] of the difference a - b of two shares that were seen
// apart (Newcombe 1998, method 10: from the two Wilson intervals); [-1, 1] if
// nothing was seen of one.
Interval DifferenceInterval(const SeenShare& a, const SeenShare& b,
                            double quantile);

// "12 of 50 (24.0 %, 95 % interval 14.3 to 37.4)"; "0 of 0" if nothing was
// seen.
std::string DescribeShare(const SeenShare& share, double quantile);

}  // namespace rlhf
