// Where everything in a plot stands. Unit: that of the picture; y grows
// downwards.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/plot_scale.h"
#include "cli/svg_plot.h"

namespace rlhf {

inline constexpr double kPlotFontSize = 13;
// From the left end of a legend's entry to its name.
inline constexpr double kPlotSwatch = 28;

struct PlotAxis {
  AxisRange range;
  // Where range.low and range.high are.
  double low_at = 0;
  double high_at = 0;
  // Within the range.
  std::vector<PlotTick> ticks;

  // Where `value` is; what is very far outside stays within 1e5 of the axis.
  double At(double value) const;
};

// The left end of a row: swatch, then name.
struct LegendEntry {
  size_t series = 0;
  std::string name;
  double x = 0;
  double y = 0;
};

struct PlotLayout {
  double width = 0;
  double height = 0;
  // Edges of the area of the axes.
  double left = 0;
  double right = 0;
  double top = 0;
  double bottom = 0;
  PlotAxis x;
  PlotAxis y;
  // Within the range of y.
  std::vector<PlotTick> right_ticks;
  // Names below the x axis are too long to lie flat.
  bool tilted = false;
  std::vector<LegendEntry> legend;
  bool has_data = false;
};

// Dies as RenderSvg.
PlotLayout LayOut(const Plot& plot);

// Both coordinates are plottable.
bool IsShown(const PlotPoint& point);

// Both ends of its interval are plottable, and in order.
bool HasInterval(const PlotPoint& point);

// About: of a sans-serif font.
double TextWidth(absl::string_view text, double font_size);

}  // namespace rlhf
