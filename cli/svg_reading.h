// Reads the SVG that RenderSvg writes, for its tests.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "cli/svg_plot.h"
#include "cli/xml_text.h"
#include "gtest/gtest.h"

namespace rlhf {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Of a coordinate, which has two decimals.
inline constexpr double kRounding = 0.006;

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
inline bool IsXmlText(absl::string_view text) {
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
inline bool ReadTag(absl::string_view tag, Element& element) {
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
inline std::vector<Element> Parse(const std::string& xml) {
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

inline std::vector<std::string> Texts(const std::vector<Element>& all) {
  std::vector<std::string> texts;
  for (const Element& text : Named(all, "text")) texts.push_back(text.text);
  return texts;
}

// The one that says `label`.
inline Element TextOf(const std::vector<Element>& all,
                      const std::string& label) {
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

inline Area AreaOf(const std::vector<Element>& all) {
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

inline std::vector<Element> BarsOf(const std::vector<Element>& all) {
  std::vector<Element> bars;
  for (const Element& rect : Named(all, "rect")) {
    if (rect.attributes.contains("fill-opacity")) bars.push_back(rect);
  }
  return bars;
}

// Lines of series are 2 wide, or 1.5 and dashed.
inline std::vector<std::string> LinesOf(const std::vector<Element>& all) {
  std::vector<std::string> lines;
  for (const Element& path : Named(all, "path")) {
    if (path.attributes.contains("stroke-linejoin")) {
      lines.push_back(path.attributes.at("d"));
    }
  }
  return lines;
}

}  // namespace rlhf
