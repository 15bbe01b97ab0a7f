// A plot as an SVG file, for reports and documents: points and bars with
// intervals, lines with bands, marked events, numbered or named axes.
//
// Colours (Okabe and Ito 2008) and, for points, shapes tell series apart, so
// that colour-blind readers and grey prints can too. The picture names no font
// file, style sheet, script or id, and may stand inside an HTML page.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "cli/plot_scale.h"

namespace rlhf {

struct PlotPoint {
  double x = 0;
  double y = 0;
  // Interval of the value, which is y, but x for kHorizontalBars.
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

struct PlotSeries {
  enum class Kind {
    // Intervals are error bars.
    kPoints,
    // From point to point; intervals are a band. A point that cannot be shown
    // is a gap.
    kLine,
    // From 0 to y, around x. Intervals are error bars.
    kBars,
    // From 0 to x, around y. Intervals are error bars.
    kHorizontalBars,
  };
  // As in the legend; "": not there.
  std::string name;
  Kind kind = Kind::kPoints;
  std::vector<PlotPoint> points;
  // What others are compared with (a diagonal, a chance level): dashed and
  // grey.
  bool reference = false;
  // Number of the colour and shape, from 0; nullopt: the next one. There are
  // 7 colours and 4 shapes.
  std::optional<int> color;
  // Width of bars, in units of the axis that they stand on; above 0.
  double bar_width = 0.8;
};

// A vertical line at x: an event, "PM v2".
struct PlotMark {
  double x = 0;
  std::string label;
};

struct PlotTick {
  double at = 0;
  std::string label;
};

struct Plot {
  // Of the picture, in its units; at least 400. Text has the same size in all.
  double width = 720;
  std::string title;
  std::string x_title;
  std::string y_title;
  std::vector<PlotSeries> series;
  std::vector<PlotMark> marks;
  // What an axis shows; nullopt: all there is.
  std::optional<AxisRange> x_range;
  std::optional<AxisRange> y_range;
  // Names instead of numbers: the i-th one stands at i, from left to right or
  // from top to bottom.
  std::vector<std::string> x_categories;
  std::vector<std::string> y_categories;
  // A second reading of y, on the right: other words at places on its axis.
  std::string right_title;
  std::vector<PlotTick> right_ticks;
};

// Returns an SVG 1.1 document. All text is escaped, long text is cut. What is
// not plottable (plot_scale.h) is left out; a plot without any point says "no
// data". Dies unless it is wide enough, a given range is low < high and bars
// have a width.
std::string RenderSvg(const Plot& plot);

}  // namespace rlhf
