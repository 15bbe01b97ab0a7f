#include "cli/svg_plot.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "cli/xml_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

using Kind = PlotSeries::Kind;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Of a coordinate, which has two decimals.
constexpr double kRounding = 0.006;

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;
  // Before the first child; entities as they are written.
  std::string text;

  double Number(const std::string& attribute) const {
    double value = NAN;
    const auto it = attributes.find(attribute);
    EXPECT_TRUE(it != attributes.end() && absl::SimpleAtod(it->second, &value))
        << name << " " << attribute;
    return value;
  }
};

// No "<", and "&" only where an entity that XML knows begins.
bool IsXmlText(absl::string_view text) {
  if (absl::StrContains(text, "<")) return false;
  for (size_t at = text.find('&'); at != text.npos;
       at = text.find('&', at + 1)) {
    bool known = false;
    for (const char* entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}) {
      known = known || absl::StartsWith(text.substr(at), entity);
    }
    if (!known) return false;
  }
  return true;
}

// Reads NAME A="B" C="D"; false if it is written otherwise.
bool ReadTag(absl::string_view tag, Element& element) {
  const size_t end = tag.find(' ');
  element.name = std::string(tag.substr(0, end));
  tag.remove_prefix(end == tag.npos ? tag.size() : end);
  while (!tag.empty()) {
    const size_t equals = tag.find("=\"");
    if (tag[0] != ' ' || equals == tag.npos) return false;
    const size_t quote = tag.find('"', equals + 2);
    if (quote == tag.npos) return false;
    const absl::string_view value = tag.substr(equals + 2, quote - equals - 2);
    const std::string key(tag.substr(1, equals - 1));
    if (!IsXmlText(value) ||
        !element.attributes.emplace(key, std::string(value)).second) {
      return false;
    }
    tag.remove_prefix(quote + 1);
  }
  return !element.name.empty();
}

// The elements of a well-formed document in order; empty, and a failure, for
// one that is not. Knows what RenderSvg may write: no comments, no CDATA.
std::vector<Element> Parse(const std::string& xml) {
  std::vector<Element> elements;
  std::vector<std::string> open;
  absl::string_view rest = xml;
  while (!rest.empty()) {
    const size_t begin = rest.find('<'), end = rest.find('>');
    const absl::string_view text = rest.substr(0, begin);
    bool fine = IsXmlText(text);
    if (open.empty()) fine = absl::StripAsciiWhitespace(text).empty();
    if (!elements.empty() && elements.back().text.empty()) {
      elements.back().text = std::string(absl::StripAsciiWhitespace(text));
    }
    if (begin == rest.npos) {
      EXPECT_TRUE(fine && open.empty()) << "it ends within " << xml;
      return fine && open.empty() ? elements : std::vector<Element>();
    }
    fine = fine && end != rest.npos && end > begin + 1;
    absl::string_view tag = fine ? rest.substr(begin + 1, end - begin - 1) : "";
    if (absl::ConsumePrefix(&tag, "/")) {
      fine = !open.empty() && open.back() == tag;
      if (fine) open.pop_back();
    } else {
      const bool closed = absl::ConsumeSuffix(&tag, "/");
      fine = fine && ReadTag(tag, elements.emplace_back()) &&
             (!open.empty() || elements.size() == 1);
      if (fine && !closed) open.push_back(elements.back().name);
    }
    if (!fine) {
      ADD_FAILURE() << "not well-formed: " << rest.substr(0, 200);
      return {};
    }
    rest.remove_prefix(end + 1);
  }
  EXPECT_TRUE(open.empty()) << "not closed: " << open.back();
  return elements;
}

std::vector<Element> Render(const Plot& plot) { return Parse(RenderSvg(plot)); }

std::vector<Element> Named(const std::vector<Element>& all,
                           const std::string& name) {
  std::vector<Element> found;
  for (const Element& element : all) {
    if (element.name == name) found.push_back(element);
  }
  return found;
}

std::vector<std::string> Texts(const std::vector<Element>& all) {
  std::vector<std::string> texts;
  for (const Element& text : Named(all, "text")) texts.push_back(text.text);
  return texts;
}

// The one that says `label`.
Element TextOf(const std::vector<Element>& all, const std::string& label) {
  for (const Element& text : Named(all, "text")) {
    if (text.text == label) return text;
  }
  ADD_FAILURE() << "nothing says " << label;
  return {};
}

// The rectangle that the axes are.
struct Area {
  double left = 0, top = 0, width = 0, height = 0;
};

Area AreaOf(const std::vector<Element>& all) {
  for (const Element& rect : Named(all, "rect")) {
    if (rect.attributes.at("fill") != "none") continue;
    return {.left = rect.Number("x"),
            .top = rect.Number("y"),
            .width = rect.Number("width"),
            .height = rect.Number("height")};
  }
  ADD_FAILURE() << "no axes";
  return {};
}

std::vector<Element> BarsOf(const std::vector<Element>& all) {
  std::vector<Element> bars;
  for (const Element& rect : Named(all, "rect")) {
    if (rect.attributes.contains("fill-opacity")) bars.push_back(rect);
  }
  return bars;
}

// Lines of series are 2 wide, or 1.5 and dashed.
std::vector<std::string> LinesOf(const std::vector<Element>& all) {
  std::vector<std::string> lines;
  for (const Element& path : Named(all, "path")) {
    if (path.attributes.contains("stroke-linejoin")) {
      lines.push_back(path.attributes.at("d"));
    }
  }
  return lines;
}

Plot PointsPlot(std::vector<PlotPoint> points) {
  return {.series = {{.points = std::move(points)}}};
}

TEST(RenderSvgTest, APointIsWhereItsValuesSay) {
  Plot plot = PointsPlot({{.x = 2.5, .y = 60}});
  plot.x_range = AxisRange{.low = 0, .high = 10};
  plot.y_range = AxisRange{.low = -20, .high = 80};
  const std::vector<Element> svg = Render(plot);
  const Area area = AreaOf(svg);
  const std::vector<Element> circles = Named(svg, "circle");
  ASSERT_THAT(circles, SizeIs(1));
  EXPECT_NEAR(circles[0].Number("cx"), area.left + area.width / 4, kRounding);
  EXPECT_NEAR(circles[0].Number("cy"), area.top + area.height / 5, kRounding);
}

TEST(RenderSvgTest, TicksAreAtTheirValues) {
  Plot plot = PointsPlot({{.x = 2.5, .y = 60}});
  plot.x_range = AxisRange{.low = 0, .high = 10};
  plot.y_range = AxisRange{.low = 0, .high = 0.5};
  const std::vector<Element> svg = Render(plot);
  EXPECT_THAT(Texts(svg), ElementsAre("0", "2", "4", "6", "8", "10", "0.0",
                                      "0.1", "0.2", "0.3", "0.4", "0.5"));
  const Area area = AreaOf(svg);
  EXPECT_NEAR(TextOf(svg, "4").Number("x"), area.left + 0.4 * area.width,
              kRounding);
  EXPECT_NEAR(TextOf(svg, "0.4").Number("y"), area.top + 0.2 * area.height,
              kRounding);
}

TEST(RenderSvgTest, AnErrorBarGoesFromLowToHigh) {
  Plot plot = PointsPlot({{.x = 1, .y = 5, .low = 2, .high = 10}});
  plot.x_range = AxisRange{.low = 0, .high = 2};
  plot.y_range = AxisRange{.low = 0, .high = 10};
  const std::vector<Element> svg = Render(plot);
  const Area area = AreaOf(svg);
  bool found = false;
  for (const Element& path : Named(svg, "path")) {
    double x = 0, low = 0, high = 0;
    if (std::sscanf(path.attributes.at("d").c_str(), "M%lf %lfV%lf", &x, &low,
                    &high) != 3) {
      continue;
    }
    found = true;
    EXPECT_NEAR(x, area.left + area.width / 2, kRounding);
    EXPECT_NEAR(low, area.top + 0.8 * area.height, kRounding);
    EXPECT_NEAR(high, area.top, kRounding);
  }
  EXPECT_TRUE(found);
}

TEST(RenderSvgTest, AllValuesAreInsideIfNoRangeIsGiven) {
  const std::vector<Element> svg = Render(PointsPlot(
      {{.x = -3, .y = 1e4, .low = -1e4, .high = 3e4}, {.x = 70, .y = 0.1}}));
  const Area area = AreaOf(svg);
  for (const Element& circle : Named(svg, "circle")) {
    EXPECT_GT(circle.Number("cx"), area.left);
    EXPECT_LT(circle.Number("cx"), area.left + area.width);
    EXPECT_GT(circle.Number("cy"), area.top + area.height / 4);
    EXPECT_LT(circle.Number("cy"), area.top + area.height);
  }
}

TEST(RenderSvgTest, ANarrowPictureKeepsEverythingInside) {
  Plot plot = PointsPlot({{.x = 0, .y = 1}, {.x = 1, .y = 2}});
  plot.width = 480;
  plot.title = std::string(90, 'W');
  const std::vector<Element> svg = Render(plot);
  EXPECT_EQ(svg[0].attributes.at("width"), "480");
  const Area area = AreaOf(svg);
  EXPECT_LT(area.left + area.width, 480);
  for (const Element& text : Named(svg, "text")) {
    EXPECT_LE(NumCharacters(text.text), 46u) << text.text;
  }
}

TEST(RenderSvgTest, NamesStandInTheMiddleOfTheirSlots) {
  Plot plot = PointsPlot({{.x = 0, .y = 1}, {.x = 2, .y = 2}});
  plot.x_categories = {"policy v0", "policy v4", "policy v8"};
  const std::vector<Element> svg = Render(plot);
  const Area area = AreaOf(svg);
  const std::vector<Element> circles = Named(svg, "circle");
  ASSERT_THAT(circles, SizeIs(2));
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(TextOf(svg, plot.x_categories[i]).Number("x"),
                area.left + area.width * (i + 0.5) / 3, kRounding);
  }
  EXPECT_NEAR(circles[1].Number("cx"), area.left + area.width * 5 / 6,
              kRounding);
}

TEST(RenderSvgTest, ManyLongNamesAreTiltedCutAndThinned) {
  Plot plot = PointsPlot({{.x = 0, .y = 1}});
  for (int i = 0; i < 100; ++i) {
    plot.x_categories.push_back(absl::StrCat("a name that is long, ", i));
  }
  const std::vector<Element> svg = Render(plot);
  int num_names = 0;
  for (const Element& text : Named(svg, "text")) {
    if (!absl::StartsWith(text.text, "a name")) continue;
    ++num_names;
    EXPECT_EQ(text.text, "a name that is lo…");
    EXPECT_THAT(text.attributes.at("transform"), HasSubstr("rotate(-35"));
  }
  EXPECT_GE(num_names, 20);
  EXPECT_LE(num_names, 50);
}

TEST(RenderSvgTest, BarsStandOnZero) {
  Plot plot = {.series = {{.kind = Kind::kBars,
                           .points = {{.x = 0, .y = 4}, {.x = 1, .y = -2}},
                           .bar_width = 0.5}}};
  plot.x_range = AxisRange{.low = -1, .high = 3};
  plot.y_range = AxisRange{.low = -4, .high = 4};
  const std::vector<Element> svg = Render(plot);
  const Area area = AreaOf(svg);
  const std::vector<Element> bars = BarsOf(svg);
  ASSERT_THAT(bars, SizeIs(2));
  EXPECT_NEAR(bars[0].Number("x"), area.left + area.width * 0.75 / 4,
              kRounding);
  EXPECT_NEAR(bars[0].Number("width"), area.width * 0.5 / 4, kRounding);
  EXPECT_NEAR(bars[0].Number("y"), area.top, kRounding);
  EXPECT_NEAR(bars[0].Number("height"), area.height / 2, kRounding);
  EXPECT_NEAR(bars[1].Number("y"), area.top + area.height / 2, kRounding);
  EXPECT_NEAR(bars[1].Number("height"), area.height / 4, kRounding);
}

TEST(RenderSvgTest, HorizontalBarsAreReadFromTheTop) {
  const std::vector<Element> svg =
      Render({.series = {{.kind = Kind::kHorizontalBars,
                          .points = {{.x = 10, .y = 0}, {.x = 5, .y = 1}}}},
              .y_categories = {"first", "second"}});
  const std::vector<Element> bars = BarsOf(svg);
  ASSERT_THAT(bars, SizeIs(2));
  EXPECT_LT(TextOf(svg, "first").Number("y"),
            TextOf(svg, "second").Number("y"));
  EXPECT_LT(bars[0].Number("y"), bars[1].Number("y"));
  EXPECT_NEAR(bars[0].Number("x"), AreaOf(svg).left, kRounding);
  EXPECT_NEAR(bars[0].Number("width"), 2 * bars[1].Number("width"),
              3 * kRounding);
}

TEST(RenderSvgTest, ALineHasABandAndBreaksWhereAPointIsMissing) {
  const std::vector<Element> svg =
      Render({.series = {{.kind = Kind::kLine,
                          .points = {{.x = 0, .y = 1, .low = 0, .high = 2},
                                     {.x = 1, .y = 2, .low = 1, .high = 3},
                                     {.x = 2, .y = NAN},
                                     {.x = 3, .y = 2},
                                     {.x = 4, .y = 2}}}}});
  EXPECT_THAT(LinesOf(svg), SizeIs(2));
  int num_bands = 0;
  for (const Element& path : Named(svg, "path")) {
    const auto opacity = path.attributes.find("fill-opacity");
    num_bands += opacity != path.attributes.end() && opacity->second == "0.2";
  }
  EXPECT_EQ(num_bands, 1);
}

TEST(RenderSvgTest, WhatIsNotFiniteIsLeftOut) {
  const Plot plot = {
      .series = {{.points = {{.x = NAN, .y = 1},
                             {.x = 1, .y = kInfinity},
                             {.x = 1, .y = 2, .low = -kInfinity, .high = 3},
                             {.x = 1e308, .y = -1e308}}}},
      .marks = {{.x = NAN, .label = "never"}},
      .right_ticks = {{.at = NAN, .label = "nowhere"}}};
  const std::string svg = RenderSvg(plot);
  EXPECT_THAT(absl::AsciiStrToLower(svg),
              AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf")),
                    Not(HasSubstr("never")), Not(HasSubstr("nowhere"))));
  EXPECT_THAT(Named(Parse(svg), "circle"), SizeIs(1));
}

TEST(RenderSvgTest, AnEmptyPlotSaysSo) {
  for (const Plot& plot :
       {Plot{.title = "t"}, Plot{.title = "t", .series = {{.name = "s"}}},
        PointsPlot({{.x = NAN, .y = NAN}})}) {
    const std::vector<Element> svg = Render(plot);
    EXPECT_THAT(Texts(svg), Contains("no data"));
    EXPECT_THAT(Texts(svg), Not(Contains("0.5")));
  }
  EXPECT_THAT(Texts(Render(PointsPlot({{.x = 1, .y = 1}}))),
              Not(Contains("no data")));
}

TEST(RenderSvgTest, NoTextCanBecomeMarkup) {
  const std::string hostile = "</text><script>a(\"'&')</script>\x1b\xff";
  const std::string svg =
      RenderSvg({.title = hostile,
                 .x_title = hostile,
                 .y_title = hostile,
                 .series = {{.name = hostile, .points = {{.x = 0, .y = 0}}}},
                 .marks = {{.x = 0, .label = hostile}},
                 .x_categories = {hostile},
                 .right_title = hostile,
                 .right_ticks = {{.at = 0, .label = hostile}}});
  EXPECT_THAT(svg, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("\x1b")),
                         Not(HasSubstr("\xff"))));
  const std::vector<Element> elements = Parse(svg);
  ASSERT_THAT(Named(elements, "title"), SizeIs(1));
  EXPECT_EQ(Named(elements, "title")[0].text,
            "&lt;/text&gt;&lt;script&gt;a(&quot;&#39;&amp;&#39;)&lt;/"
            "script&gt;\uFFFD\uFFFD");
}

TEST(RenderSvgTest, MarksStandAtTheirPlacesAndLabelsDoNotOverlap) {
  Plot plot = PointsPlot({{.x = 0, .y = 0}});
  plot.x_range = AxisRange{.low = 0, .high = 100};
  plot.marks = {{.x = 20, .label = "PM v2"},
                {.x = 21, .label = "PM v3"},
                {.x = 100, .label = "PM v4"},
                {.x = 101, .label = "later"}};
  const std::vector<Element> svg = Render(plot);
  const Area area = AreaOf(svg);
  const Element second = TextOf(svg, "PM v2"), third = TextOf(svg, "PM v3");
  EXPECT_NEAR(second.Number("x"), area.left + 0.2 * area.width, 5);
  EXPECT_LT(second.Number("y") + 11, third.Number("y"));
  EXPECT_EQ(second.attributes.at("text-anchor"), "start");
  EXPECT_EQ(TextOf(svg, "PM v4").attributes.at("text-anchor"), "end");
  EXPECT_THAT(Texts(svg), Not(Contains("later")));
}

TEST(RenderSvgTest, TheRightSideIsAnotherReadingOfY) {
  Plot plot = PointsPlot({{.x = 0, .y = 0}});
  plot.y_range = AxisRange{.low = -200, .high = 200};
  plot.right_title = "win rate";
  plot.right_ticks = {{.at = 0, .label = "50 %"},
                      {.at = 100, .label = "64 %"},
                      {.at = 300, .label = "85 %"}};
  const std::vector<Element> svg = Render(plot);
  const Area area = AreaOf(svg);
  EXPECT_NEAR(TextOf(svg, "64 %").Number("y"), area.top + area.height / 4,
              kRounding);
  EXPECT_GT(TextOf(svg, "64 %").Number("x"), area.left + area.width);
  EXPECT_THAT(Texts(svg), Not(Contains("85 %")));
  EXPECT_THAT(Texts(svg), Contains("win rate"));
}

TEST(RenderSvgTest, SeriesDifferInColourAndShapeAndTheLegendNamesThem) {
  const std::vector<PlotPoint> point = {{.x = 1, .y = 1}};
  const std::vector<Element> svg =
      Render({.series = {{.name = "people", .points = point},
                         {.name = "PM choices", .points = point},
                         {.points = point},
                         {.name = "chance",
                          .kind = Kind::kLine,
                          .points = {{.x = 0, .y = 0}, {.x = 2, .y = 2}},
                          .reference = true}}});
  for (const char* name : {"people", "PM choices", "chance"}) {
    EXPECT_THAT(Texts(svg), Contains(name));
  }
  // In the area and in the legend; the other series are no circles.
  const std::vector<Element> circles = Named(svg, "circle");
  ASSERT_THAT(circles, SizeIs(2));
  std::map<std::string, int> fills;
  for (const Element& path : Named(svg, "path")) {
    const auto stroke = path.attributes.find("stroke");
    if (stroke != path.attributes.end() && stroke->second == "white") {
      ++fills[path.attributes.at("fill")];
    }
  }
  // Twice the second series, once the third, which has no name.
  EXPECT_THAT(fills, SizeIs(2));
  EXPECT_FALSE(fills.contains(circles[0].attributes.at("fill")));
}

TEST(RenderSvgTest, ALongLegendIsBrokenIntoRowsWithinThePicture) {
  Plot plot;
  for (int i = 0; i < 12; ++i) {
    plot.series.push_back({.name = absl::StrCat("a series of some length ", i),
                           .points = {{.x = 1.0 * i, .y = 1}}});
  }
  const std::vector<Element> svg = Render(plot);
  const double top = AreaOf(svg).top;
  for (const PlotSeries& series : plot.series) {
    const Element text = TextOf(svg, series.name);
    EXPECT_LT(text.Number("y"), top);
    EXPECT_LT(text.Number("x"), 720 - 100);
  }
}

// What is outside a given range is drawn, but in a picture of its own that ends
// just beyond the axes.
TEST(RenderSvgTest, WhatIsOutsideAGivenRangeIsCutOff) {
  Plot plot = PointsPlot({{.x = 50, .y = 1e200}});
  plot.x_range = AxisRange{.low = 0, .high = 1};
  plot.y_range = AxisRange{.low = 0, .high = 1};
  const std::vector<Element> svg = Render(plot);
  const Area area = AreaOf(svg);
  const std::vector<Element> pictures = Named(svg, "svg");
  ASSERT_THAT(pictures, SizeIs(2));
  EXPECT_NEAR(pictures[1].Number("x"), area.left, 8);
  EXPECT_NEAR(pictures[1].Number("width"), area.width, 16);
  EXPECT_LT(std::abs(Named(svg, "circle")[0].Number("cy")), 1e6);
}

TEST(RenderSvgTest, ItScales) {
  const std::vector<Element> svg = Render(PointsPlot({{.x = 1, .y = 1}}));
  ASSERT_THAT(svg, Not(IsEmpty()));
  const std::vector<std::string> box =
      absl::StrSplit(svg[0].attributes.at("viewBox"), ' ');
  EXPECT_THAT(box, ElementsAre("0", "0", svg[0].attributes.at("width"),
                               svg[0].attributes.at("height")));
}

TEST(RenderSvgDeathTest, DiesOnARangeOrBarsWithoutWidth) {
  Plot plot = PointsPlot({{.x = 1, .y = 1}});
  plot.y_range = AxisRange{.low = 3, .high = 3};
  EXPECT_DEATH(RenderSvg(plot), "3 to 3");
  EXPECT_DEATH(RenderSvg({.series = {{.kind = Kind::kBars,
                                      .points = {{.x = 1, .y = 1}},
                                      .bar_width = 0}}}),
               "bar_width");
}

}  // namespace
}  // namespace rlhf
