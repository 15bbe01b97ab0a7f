#include "cli/plot_layout.h"

#include <algorithm>
#include <utility>

#include "cli/xml_text.h"
#include "core/base/check.h"

namespace rlhf {
namespace {

using Kind = PlotSeries::Kind;

constexpr double kLeastWidth = 400;
constexpr double kLeastAreaHeight = 260;
// ... and as a share of the picture's width.
constexpr double kAreaHeightShare = 4.0 / 9;
constexpr double kLeastRowHeight = 24;
constexpr double kEdge = 14;
// Of a line of text with what keeps it from the next.
constexpr double kLine = 20;
constexpr double kTickGap = 8;
constexpr double kFarthest = 1e5;
// Names below the x axis are tilted by 35 degrees when they do not fit.
constexpr double kSine = 0.574, kCosine = 0.819;
constexpr size_t kMostNameCharacters = 28;
constexpr size_t kMostTiltedCharacters = 18;
constexpr size_t kMostLegendCharacters = 40;

struct Spans {
  ValueSpan x, y;
  bool x_from_zero = false, y_from_zero = false;
};

void AddPoint(const PlotSeries& series, const PlotPoint& point, Spans& spans) {
  const bool across = series.kind == Kind::kHorizontalBars;
  spans.x.Add(point.x);
  spans.y.Add(point.y);
  if (HasInterval(point)) {
    ValueSpan& values = across ? spans.x : spans.y;
    values.Add(point.low);
    values.Add(point.high);
  }
  if (!across && series.kind != Kind::kBars) return;
  RLHF_CHECK(series.bar_width > 0 && IsPlottable(series.bar_width))
      << series.bar_width;
  ValueSpan& places = across ? spans.y : spans.x;
  const double place = across ? point.y : point.x;
  places.Add(place - series.bar_width / 2);
  places.Add(place + series.bar_width / 2);
  (across ? spans.x_from_zero : spans.y_from_zero) = true;
}

Spans SpansOf(const Plot& plot) {
  Spans spans;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& point : series.points) {
      if (IsShown(point)) AddPoint(series, point, spans);
    }
  }
  return spans;
}

AxisRange RangeOf(const std::optional<AxisRange>& given,
                  const std::vector<std::string>& names, const ValueSpan& span,
                  bool from_zero) {
  if (given.has_value()) {
    RLHF_CHECK(given->low < given->high && IsPlottable(given->low) &&
               IsPlottable(given->high))
        << given->low << " to " << given->high;
    return *given;
  }
  if (names.empty()) return span.Range(from_zero);
  return {.low = -0.5, .high = static_cast<double>(names.size()) - 0.5};
}

bool IsWithin(const AxisRange& range, double value) {
  return value >= range.low && value <= range.high;
}

std::vector<PlotTick> NumberTicks(const AxisRange& range, int most) {
  const std::vector<double> at = NiceTicks(range, most);
  const std::vector<std::string> labels = TickLabels(at);
  std::vector<PlotTick> ticks;
  for (size_t i = 0; i < at.size(); ++i) ticks.push_back({at[i], labels[i]});
  return ticks;
}

// Every `every`-th name that is in the range.
std::vector<PlotTick> NameTicks(const std::vector<std::string>& names,
                                const AxisRange& range, size_t every,
                                size_t most_characters) {
  std::vector<PlotTick> ticks;
  for (size_t i = 0; i < names.size(); i += every) {
    const auto at = static_cast<double>(i);
    if (IsWithin(range, at)) {
      ticks.push_back({at, Shortened(names[i], most_characters)});
    }
  }
  return ticks;
}

double WidestLabel(const std::vector<PlotTick>& ticks) {
  double widest = 0;
  for (const PlotTick& tick : ticks) {
    widest = std::max(widest, TextWidth(tick.label, kPlotFontSize));
  }
  return widest;
}

// Sets the ticks of y, on both sides, and the edges at the left and right.
void LayOutAcross(const Plot& plot, PlotLayout& layout) {
  if (!plot.y_categories.empty()) {
    layout.y.ticks =
        NameTicks(plot.y_categories, layout.y.range, 1, kMostNameCharacters);
  } else if (layout.has_data || plot.y_range.has_value()) {
    layout.y.ticks = NumberTicks(layout.y.range, 7);
  }
  layout.left = kEdge + (plot.y_title.empty() ? 0 : kLine) +
                WidestLabel(layout.y.ticks) + kTickGap;
  for (const PlotTick& tick : plot.right_ticks) {
    if (!IsWithin(layout.y.range, tick.at)) continue;
    layout.right_ticks.push_back(
        {tick.at, Shortened(tick.label, kMostNameCharacters)});
  }
  // At least half of a number at the end of the x axis.
  const double right_labels = WidestLabel(layout.right_ticks) + kTickGap;
  layout.right = layout.width - kEdge - (plot.right_title.empty() ? 0 : kLine) -
                 std::max(right_labels, 2 * kTickGap);
}

// Sets the ticks of x; returns the height that their labels take.
double LayOutXTicks(const Plot& plot, PlotLayout& layout) {
  const std::vector<std::string>& names = plot.x_categories;
  const AxisRange& range = layout.x.range;
  if (names.empty()) {
    if (layout.has_data || plot.x_range.has_value()) {
      layout.x.ticks = NumberTicks(range, static_cast<int>(layout.width / 90));
    }
    return kLine;
  }
  const double slot = (layout.right - layout.left) / (range.high - range.low);
  layout.x.ticks = NameTicks(names, range, 1, kMostNameCharacters);
  layout.tilted = WidestLabel(layout.x.ticks) + kTickGap > slot;
  if (!layout.tilted) return kLine;
  const auto every = static_cast<size_t>(std::max(1.0, kLine / slot));
  layout.x.ticks = NameTicks(names, range, every, kMostTiltedCharacters);
  const double widest = WidestLabel(layout.x.ticks);
  layout.left = std::max(layout.left, kEdge + kCosine * widest);
  return kLine + kSine * widest;
}

// Sets the legend, below `top`; returns where it ends.
double LayOutLegend(const Plot& plot, double left, double top,
                    PlotLayout& layout) {
  double x = left, y = top;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    if (plot.series[i].name.empty()) continue;
    const std::string name =
        Shortened(plot.series[i].name, kMostLegendCharacters);
    const double width = kPlotSwatch + kEdge + TextWidth(name, kPlotFontSize);
    if (x > left && x + width > layout.width - kEdge) {
      x = left;
      y += kLine;
    }
    layout.legend.push_back(
        {.series = i, .name = name, .x = x, .y = y + kLine / 2});
    x += width;
  }
  return layout.legend.empty() ? top : y + kLine;
}

}  // namespace

double PlotAxis::At(double value) const {
  const double share = (value - range.low) / (range.high - range.low);
  return std::clamp(low_at + share * (high_at - low_at), -kFarthest, kFarthest);
}

PlotLayout LayOut(const Plot& plot) {
  RLHF_CHECK(plot.width >= kLeastWidth) << plot.width;
  PlotLayout layout = {.width = plot.width};
  Spans spans = SpansOf(plot);
  layout.has_data = !spans.x.empty();
  for (const PlotMark& mark : plot.marks) spans.x.Add(mark.x);
  layout.x.range =
      RangeOf(plot.x_range, plot.x_categories, spans.x, spans.x_from_zero);
  layout.y.range =
      RangeOf(plot.y_range, plot.y_categories, spans.y, spans.y_from_zero);

  LayOutAcross(plot, layout);
  const double labels_height = LayOutXTicks(plot, layout);
  layout.top = kEdge + (plot.title.empty() ? 0 : kLine + 6);
  layout.top = LayOutLegend(plot, layout.left, layout.top, layout) + 6;
  const double rows = static_cast<double>(plot.y_categories.size());
  layout.bottom =
      layout.top + std::max({kLeastAreaHeight, kAreaHeightShare * layout.width,
                             kLeastRowHeight * rows});
  layout.height = layout.bottom + labels_height +
                  (plot.x_title.empty() ? 0 : kLine) + kEdge;

  layout.x.low_at = layout.left;
  layout.x.high_at = layout.right;
  layout.y.low_at = layout.bottom;
  layout.y.high_at = layout.top;
  // Names are read from the top.
  if (rows > 0) std::swap(layout.y.low_at, layout.y.high_at);
  return layout;
}

bool IsShown(const PlotPoint& point) {
  return IsPlottable(point.x) && IsPlottable(point.y);
}

bool HasInterval(const PlotPoint& point) {
  return IsPlottable(point.low) && IsPlottable(point.high) &&
         point.low <= point.high;
}

double TextWidth(absl::string_view text, double font_size) {
  return 0.6 * font_size * static_cast<double>(NumCharacters(text));
}

}  // namespace rlhf
