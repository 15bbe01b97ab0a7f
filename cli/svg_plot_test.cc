#include "cli/svg_plot.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/svg_reading.h"
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
