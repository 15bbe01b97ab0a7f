// Intervals of shares that were seen in a sample.
#pragma once

namespace rlhf {

struct Interval {
  double low = 0;
  double high = 1;
};

// The standard normal quantile of two-sided intervals of 95 %.
inline constexpr double kQuantile95 = 1.959963984540054;

// The Wilson score interval (Wilson 1927) of a share seen as `correct` of
// `total`; half a point for a tie is fine and makes it a little too wide.
// Nothing seen gives [0, 1]. Dies unless 0 <= correct <= total.
Interval WilsonInterval(double correct, double total,
                        double quantile = kQuantile95);

}  // namespace rlhf
