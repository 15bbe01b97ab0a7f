#include "cli/plot_scale.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "core/base/check.h"

namespace rlhf {
namespace {

constexpr double kLargest = 1e300;
constexpr double kMargin = 0.04;
// Of the values' size: float64 tells ticks this close well apart.
constexpr double kLeastWidth = 1e-9;
// From here on, and below that step, an exponent is shorter.
constexpr double kLongest = 1e7;
constexpr int kMostDecimals = 6;

}  // namespace

bool IsPlottable(double value) {
  return std::isfinite(value) && std::abs(value) <= kLargest;
}

void ValueSpan::Add(double value) {
  if (!IsPlottable(value)) return;
  if (!span_.has_value()) span_ = AxisRange{.low = value, .high = value};
  span_->low = std::min(span_->low, value);
  span_->high = std::max(span_->high, value);
}

AxisRange ValueSpan::Range(bool from_zero) const {
  if (!span_.has_value()) return {};
  auto [low, high] = *span_;
  if (from_zero) {
    low = std::min(low, 0.0);
    high = std::max(high, 0.0);
  }
  const double size = std::max(std::abs(low), std::abs(high));
  const double width = high - low > kLeastWidth * size ? (high - low) * kMargin
                       : size > 0                      ? size / 10
                                                       : 1;
  return {.low = from_zero && low == 0 && high > 0 ? 0 : low - width,
          .high = from_zero && high == 0 && low < 0 ? 0 : high + width};
}

std::vector<double> NiceTicks(const AxisRange& range, int most) {
  RLHF_CHECK(range.low < range.high) << range.low << " to " << range.high;
  RLHF_CHECK(most >= 2) << most;
  const double least = (range.high - range.low) / (most - 1);
  const double power = std::pow(10, std::floor(std::log10(least)));
  double step = power;
  // 1e-9: a step that fits but for rounding fits.
  for (const double factor : {2.0, 5.0, 10.0}) {
    if (step < least * (1 - 1e-9)) step = factor * power;
  }
  const double first = std::ceil(range.low / step - 1e-9);
  std::vector<double> ticks;
  for (int i = 0; i < most; ++i) {
    // Adding 0 makes a zero of minus zero.
    const double tick = (first + i) * step + 0.0;
    if (tick > range.high + 1e-9 * step) break;
    ticks.push_back(tick);
  }
  return ticks;
}

std::vector<std::string> TickLabels(const std::vector<double>& ticks) {
  double largest = 0;
  for (const double tick : ticks) largest = std::max(largest, std::abs(tick));
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : largest;
  const double magnitude = step > 0 ? std::floor(std::log10(step) + 1e-9) : 0;
  const int decimals = std::max(0, static_cast<int>(-magnitude));
  std::vector<std::string> labels;
  for (const double tick : ticks) {
    if (largest < kLongest && decimals <= kMostDecimals) {
      labels.push_back(absl::StrFormat("%.*f", decimals, tick));
    } else {
      const int digits =
          static_cast<int>(std::floor(std::log10(largest)) - magnitude) + 1;
      labels.push_back(absl::StrFormat("%.*g", digits, tick));
    }
  }
  return labels;
}

}  // namespace rlhf
