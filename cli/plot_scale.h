// The scale of a plot's axis: which values it shows, where its ticks stand and
// what they say.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace rlhf {

// low < high, both finite.
struct AxisRange {
  double low = 0;
  double high = 1;
};

// Whether a plot can show `value`: it is finite, and so are differences of two
// such values.
bool IsPlottable(double value);

// The range of values seen one by one.
class ValueSpan {
 public:
  // Values that are not plottable are ignored.
  void Add(double value);
  bool empty() const { return !span_.has_value(); }
  // 4 % wider than the values on each side, and never too narrow to have
  // ticks; [0, 1] if there are none. With `from_zero`, for bars, 0 is in it and
  // is an end unless there are values on both sides.
  AxisRange Range(bool from_zero) const;

 private:
  std::optional<AxisRange> span_;
};

// The multiples within `range` of a step of 1, 2 or 5 times a power of ten: the
// smallest one with at most `most` >= 2 of them.
std::vector<double> NiceTicks(const AxisRange& range, int most);

// With as many decimals as it takes to tell the ticks apart; with an exponent
// where that is shorter.
std::vector<std::string> TickLabels(const std::vector<double>& ticks);

}  // namespace rlhf
