// One series of a plot as SVG elements.
#pragma once

#include <string>
#include <vector>

#include "cli/plot_layout.h"
#include "cli/svg_plot.h"

namespace rlhf {

// A series with how and where it is drawn. `series` and `layout` are not owned
// and must outlive it.
struct SeriesPen {
  const PlotSeries& series;
  // Number of colour and shape.
  size_t color = 0;
  const PlotLayout& layout;
};

// One for each series of `plot`, in order.
std::vector<SeriesPen> PensOf(const Plot& plot, const PlotLayout& layout);

// Everything of it that is plottable, inside the area of the axes or not.
std::string DrawSeries(const SeriesPen& pen);

// What stands before its name in the legend; at most 22 wide, around `y`.
std::string DrawSwatch(const SeriesPen& pen, double x, double y);

}  // namespace rlhf
