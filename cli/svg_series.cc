#include "cli/svg_series.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/plot_colors.h"

namespace rlhf {
namespace {

using Kind = PlotSeries::Kind;

constexpr std::array<const char*, 7> kColors = {"#0072B2", "#D55E00", "#009E73",
                                                "#CC79A7", "#E69F00", "#56B4E9",
                                                "#000000"};
constexpr double kCapSize = 4;

const char* ColorOf(const SeriesPen& pen) {
  return pen.series.reference ? kPlotGrey : kColors[pen.color % kColors.size()];
}

bool IsAcross(const SeriesPen& pen) {
  return pen.series.kind == Kind::kHorizontalBars;
}

std::string Path(const std::string& steps, const std::string& attributes) {
  return absl::StrCat("<path d=\"", steps, "\" ", attributes, "/>\n");
}

std::string Stroke(const char* color, double width) {
  return absl::StrFormat("fill=\"none\" stroke=\"%s\" stroke-width=\"%g\"",
                         color, width);
}

std::string Marker(const SeriesPen& pen, double x, double y) {
  const std::string fill =
      absl::StrFormat("fill=\"%s\" stroke=\"%s\"", ColorOf(pen), kPlotPaper);
  switch (pen.color % 4) {
    case 0:
      return absl::StrFormat("<circle cx=\"%.2f\" cy=\"%.2f\" r=\"4.5\" %s/>\n",
                             x, y, fill);
    case 1:
      return Path(absl::StrFormat("M%.2f %.2fh8v8h-8z", x - 4, y - 4), fill);
    case 2:
      return Path(
          absl::StrFormat("M%.2f %.2fl5.5 5.5-5.5 5.5-5.5-5.5z", x, y - 5.5),
          fill);
    default:
      return Path(absl::StrFormat("M%.2f %.2fl5.5 9.5h-11z", x, y - 6), fill);
  }
}

std::string ErrorBar(const SeriesPen& pen, const PlotPoint& point,
                     const char* color) {
  if (!HasInterval(point)) return "";
  const double x = pen.layout.x.At(point.x), y = pen.layout.y.At(point.y);
  if (IsAcross(pen)) {
    const double low = pen.layout.x.At(point.low);
    const double high = pen.layout.x.At(point.high);
    return Path(absl::StrFormat("M%.2f %.2fH%.2fM%.2f %.2fv%gM%.2f %.2fv%g",
                                low, y, high, low, y - kCapSize, 2 * kCapSize,
                                high, y - kCapSize, 2 * kCapSize),
                Stroke(color, 1.5));
  }
  const double low = pen.layout.y.At(point.low);
  const double high = pen.layout.y.At(point.high);
  return Path(absl::StrFormat("M%.2f %.2fV%.2fM%.2f %.2fh%gM%.2f %.2fh%g", x,
                              low, high, x - kCapSize, low, 2 * kCapSize,
                              x - kCapSize, high, 2 * kCapSize),
              Stroke(color, 1.5));
}

std::string Points(const SeriesPen& pen) {
  std::string svg;
  for (const PlotPoint& point : pen.series.points) {
    if (!IsShown(point)) continue;
    absl::StrAppend(
        &svg, ErrorBar(pen, point, ColorOf(pen)),
        Marker(pen, pen.layout.x.At(point.x), pen.layout.y.At(point.y)));
  }
  return svg;
}

std::string Bars(const SeriesPen& pen) {
  std::string svg;
  const double half = pen.series.bar_width / 2;
  for (const PlotPoint& point : pen.series.points) {
    if (!IsShown(point)) continue;
    auto [x1, x2] =
        IsAcross(pen)
            ? std::minmax({pen.layout.x.At(0), pen.layout.x.At(point.x)})
            : std::minmax({pen.layout.x.At(point.x - half),
                           pen.layout.x.At(point.x + half)});
    auto [y1, y2] =
        IsAcross(pen)
            ? std::minmax({pen.layout.y.At(point.y - half),
                           pen.layout.y.At(point.y + half)})
            : std::minmax({pen.layout.y.At(0), pen.layout.y.At(point.y)});
    absl::StrAppendFormat(
        &svg,
        "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
        "fill=\"%s\" fill-opacity=\"0.8\"/>\n",
        x1, y1, x2 - x1, y2 - y1, ColorOf(pen));
    absl::StrAppend(&svg, ErrorBar(pen, point, kPlotInk));
  }
  return svg;
}

// The consecutive points that can be shown.
std::vector<std::vector<PlotPoint>> RunsOf(const PlotSeries& series) {
  std::vector<std::vector<PlotPoint>> runs(1);
  for (const PlotPoint& point : series.points) {
    if (IsShown(point)) {
      runs.back().push_back(point);
    } else if (!runs.back().empty()) {
      runs.emplace_back();
    }
  }
  if (runs.back().empty()) runs.pop_back();
  return runs;
}

std::string Band(const SeriesPen& pen, const std::vector<PlotPoint>& run) {
  std::string steps;
  const auto go_to = [&](double x, double y) {
    absl::StrAppendFormat(&steps, "%s%.2f %.2f", steps.empty() ? "M" : "L",
                          pen.layout.x.At(x), pen.layout.y.At(y));
  };
  for (const PlotPoint& point : run) {
    if (HasInterval(point)) go_to(point.x, point.high);
  }
  for (auto point = run.rbegin(); point != run.rend(); ++point) {
    if (HasInterval(*point)) go_to(point->x, point->low);
  }
  if (steps.empty()) return "";
  return Path(
      absl::StrCat(steps, "z"),
      absl::StrFormat("fill=\"%s\" fill-opacity=\"0.2\"", ColorOf(pen)));
}

std::string LineAttributes(const SeriesPen& pen) {
  return absl::StrCat(Stroke(ColorOf(pen), pen.series.reference ? 1.5 : 2),
                      " stroke-linejoin=\"round\" stroke-linecap=\"round\"",
                      pen.series.reference ? " stroke-dasharray=\"6 5\"" : "");
}

std::string Lines(const SeriesPen& pen) {
  std::string svg;
  for (const std::vector<PlotPoint>& run : RunsOf(pen.series)) {
    std::string steps;
    for (const PlotPoint& point : run) {
      absl::StrAppendFormat(&steps, "%s%.2f %.2f", steps.empty() ? "M" : "L",
                            pen.layout.x.At(point.x), pen.layout.y.At(point.y));
    }
    // A lone point is a dot, by the round ends of its line.
    if (run.size() == 1) steps += "h0";
    absl::StrAppend(&svg, Band(pen, run), Path(steps, LineAttributes(pen)));
  }
  return svg;
}

}  // namespace

std::vector<SeriesPen> PensOf(const Plot& plot, const PlotLayout& layout) {
  std::vector<SeriesPen> pens;
  size_t next = 0;
  for (const PlotSeries& series : plot.series) {
    const size_t color = series.color.has_value()
                             ? static_cast<size_t>(*series.color)
                         : series.reference ? 0
                                            : next++;
    pens.push_back({.series = series, .color = color, .layout = layout});
  }
  return pens;
}

std::string DrawSeries(const SeriesPen& pen) {
  switch (pen.series.kind) {
    case Kind::kPoints:
      return Points(pen);
    case Kind::kLine:
      return Lines(pen);
    case Kind::kBars:
    case Kind::kHorizontalBars:
      break;
  }
  return Bars(pen);
}

std::string DrawSwatch(const SeriesPen& pen, double x, double y) {
  switch (pen.series.kind) {
    case Kind::kPoints:
      return Marker(pen, x + 10, y);
    case Kind::kLine:
      return Path(absl::StrFormat("M%.2f %.2fh20", x, y), LineAttributes(pen));
    case Kind::kBars:
    case Kind::kHorizontalBars:
      break;
  }
  return Path(
      absl::StrFormat("M%.2f %.2fh12v12h-12z", x + 4, y - 6),
      absl::StrFormat("fill=\"%s\" fill-opacity=\"0.8\"", ColorOf(pen)));
}

}  // namespace rlhf
