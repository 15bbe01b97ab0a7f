#include "cli/svg_plot.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/plot_colors.h"
#include "cli/plot_layout.h"
#include "cli/svg_series.h"
#include "cli/xml_text.h"

namespace rlhf {
namespace {

constexpr double kSmallFontSize = 11;
constexpr double kTickGap = 8;
// Points on the edge of the area are shown whole.
constexpr double kOverhang = 7;
constexpr size_t kMostMarkCharacters = 24;

struct TextStyle {
  // "start", "middle" or "end".
  const char* anchor = "middle";
  double size = kPlotFontSize;
  const char* color = kPlotInk;
  bool bold = false;
  double degrees = 0;
};

// Around the height `y`.
std::string Text(double x, double y, const std::string& text,
                 const TextStyle& style) {
  const std::string turn =
      style.degrees == 0
          ? ""
          : absl::StrFormat(" transform=\"rotate(%g %.2f %.2f)\"",
                            style.degrees, x, y);
  return absl::StrFormat(
      "<text x=\"%.2f\" y=\"%.2f\" dy=\"0.35em\" font-size=\"%g\" fill=\"%s\" "
      "text-anchor=\"%s\"%s%s>%s</text>\n",
      x, y, style.size, style.color, style.anchor,
      style.bold ? " font-weight=\"bold\"" : "", turn, EscapeXml(text));
}

// Steps of a path.
std::string Line(double x1, double y1, double x2, double y2) {
  return absl::StrFormat("M%.2f %.2fL%.2f %.2f", x1, y1, x2, y2);
}

std::string Stroke(const std::string& steps, const char* color,
                   const char* dashes) {
  return absl::StrFormat(
      "<path d=\"%s\" fill=\"none\" stroke=\"%s\"%s/>\n", steps, color,
      dashes[0] == 0 ? ""
                     : absl::StrFormat(" stroke-dasharray=\"%s\"", dashes));
}

// Lines across the area, and what it is framed by.
std::string DrawGrid(const PlotLayout& layout) {
  std::string lines;
  for (const PlotTick& tick : layout.x.ticks) {
    const double x = layout.x.At(tick.at);
    absl::StrAppend(&lines, Line(x, layout.top, x, layout.bottom));
  }
  for (const PlotTick& tick : layout.y.ticks) {
    const double y = layout.y.At(tick.at);
    absl::StrAppend(&lines, Line(layout.left, y, layout.right, y));
  }
  return absl::StrCat(
      lines.empty() ? "" : Stroke(lines, kPlotLight, ""),
      absl::StrFormat("<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
                      "height=\"%.2f\" fill=\"none\" stroke=\"%s\"/>\n",
                      layout.left, layout.top, layout.right - layout.left,
                      layout.bottom - layout.top, kPlotGrey));
}

std::string DrawTickLabels(const PlotLayout& layout) {
  std::string svg;
  for (const PlotTick& tick : layout.x.ticks) {
    const double x = layout.x.At(tick.at);
    absl::StrAppend(
        &svg, layout.tilted
                  ? Text(x + 4, layout.bottom + kTickGap + 4, tick.label,
                         {.anchor = "end", .degrees = -35})
                  : Text(x, layout.bottom + kTickGap + 5, tick.label, {}));
  }
  for (const PlotTick& tick : layout.y.ticks) {
    absl::StrAppend(&svg, Text(layout.left - kTickGap, layout.y.At(tick.at),
                               tick.label, {.anchor = "end"}));
  }
  for (const PlotTick& tick : layout.right_ticks) {
    const double y = layout.y.At(tick.at);
    absl::StrAppend(
        &svg, Stroke(Line(layout.right - 4, y, layout.right, y), kPlotGrey, ""),
        Text(layout.right + kTickGap, y, tick.label, {.anchor = "start"}));
  }
  return svg;
}

std::string DrawTitles(const Plot& plot, const PlotLayout& layout) {
  const double middle_x = (layout.left + layout.right) / 2;
  const double middle_y = (layout.top + layout.bottom) / 2;
  const auto most_characters = static_cast<size_t>(layout.width / 10 - 2);
  const auto cut = [most_characters](const std::string& text) {
    return Shortened(text, most_characters);
  };
  std::string svg;
  if (!plot.title.empty()) {
    absl::StrAppend(&svg, Text(layout.left, 24, cut(plot.title),
                               {.anchor = "start", .size = 16, .bold = true}));
  }
  if (!plot.x_title.empty()) {
    absl::StrAppend(&svg,
                    Text(middle_x, layout.height - 18, cut(plot.x_title), {}));
  }
  if (!plot.y_title.empty()) {
    absl::StrAppend(&svg,
                    Text(16, middle_y, cut(plot.y_title), {.degrees = -90}));
  }
  if (!plot.right_title.empty()) {
    absl::StrAppend(&svg, Text(layout.width - 16, middle_y,
                               cut(plot.right_title), {.degrees = 90}));
  }
  if (!layout.has_data) {
    absl::StrAppend(&svg, Text(middle_x, middle_y, "no data",
                               {.size = 16, .color = kPlotGrey}));
  }
  return svg;
}

// Labels stand beside their lines, in the first of a few rows that has room.
std::string DrawMarks(const Plot& plot, const PlotLayout& layout) {
  std::string svg;
  std::array<double, 4> row_end = {};
  for (const PlotMark& mark : plot.marks) {
    if (!(mark.x >= layout.x.range.low && mark.x <= layout.x.range.high)) {
      continue;
    }
    const double x = layout.x.At(mark.x);
    const std::string label = Shortened(mark.label, kMostMarkCharacters);
    const double width = TextWidth(label, kSmallFontSize);
    const bool before = x + 4 + width > layout.right;
    const double start = before ? x - 4 - width : x + 4;
    auto row = std::find_if(row_end.begin(), row_end.end(),
                            [&](double end) { return end <= start; });
    if (row == row_end.end()) {
      row = std::min_element(row_end.begin(), row_end.end());
    }
    *row = std::max(*row, start + width + 6);
    const double y =
        layout.top + 10 + 13 * static_cast<double>(row - row_end.begin());
    absl::StrAppend(
        &svg, Stroke(Line(x, layout.top, x, layout.bottom), kPlotGrey, "2 3"),
        Text(before ? x - 4 : x + 4, y, label,
             {.anchor = before ? "end" : "start",
              .size = kSmallFontSize,
              .color = kPlotGrey}));
  }
  return svg;
}

// The series, cut off at the edges of the area. A nested picture cuts without
// an id, of which a page may have only one.
std::string DrawArea(const std::vector<SeriesPen>& pens,
                     const PlotLayout& layout) {
  const double x = layout.left - kOverhang, y = layout.top - kOverhang;
  const double width = layout.right - layout.left + 2 * kOverhang;
  const double height = layout.bottom - layout.top + 2 * kOverhang;
  std::string svg = absl::StrFormat(
      "<svg x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
      "viewBox=\"%.2f %.2f %.2f %.2f\">\n",
      x, y, width, height, x, y, width, height);
  for (const SeriesPen& pen : pens) absl::StrAppend(&svg, DrawSeries(pen));
  return absl::StrCat(svg, "</svg>\n");
}

std::string DrawLegend(const std::vector<SeriesPen>& pens,
                       const PlotLayout& layout) {
  std::string svg;
  for (const LegendEntry& entry : layout.legend) {
    absl::StrAppend(
        &svg, DrawSwatch(pens[entry.series], entry.x, entry.y),
        Text(entry.x + kPlotSwatch, entry.y, entry.name, {.anchor = "start"}));
  }
  return svg;
}

}  // namespace

std::string RenderSvg(const Plot& plot) {
  const PlotLayout layout = LayOut(plot);
  const std::vector<SeriesPen> pens = PensOf(plot, layout);
  return absl::StrCat(
      absl::StrFormat(
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
          "width=\"%.0f\" height=\"%.0f\" role=\"img\" "
          "font-family=\"'DejaVu Sans', Verdana, Helvetica, sans-serif\">\n",
          layout.width, layout.height, layout.width, layout.height),
      "<title>", EscapeXml(plot.title), "</title>\n",
      absl::StrFormat("<rect width=\"100%%\" height=\"100%%\" fill=\"%s\"/>\n",
                      kPlotPaper),
      DrawGrid(layout), DrawTickLabels(layout), DrawTitles(plot, layout),
      DrawMarks(plot, layout), DrawArea(pens, layout), DrawLegend(pens, layout),
      "</svg>\n");
}

}  // namespace rlhf
