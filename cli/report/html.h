// Pieces of the report's page. Every text is escaped here, so that what people
// and policies wrote is text and nothing else.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/svg_plot.h"

namespace rlhf {

// A part of the page with a heading. `html` is markup.
struct ReportSection {
  // Of its anchor: letters and dashes only.
  std::string id;
  std::string title;
  std::string html;
};

struct HtmlCell {
  HtmlCell(std::string text) : text(std::move(text)) {}  // NOLINT
  HtmlCell(const char* text) : text(text) {}             // NOLINT
  HtmlCell(std::string text, std::string mark)
      : text(std::move(text)), mark(std::move(mark)) {}

  std::string text;
  // "good" or "bad": how it is coloured, beside what the text says.
  std::string mark;
};

struct HtmlRow {
  std::vector<HtmlCell> cells;
  // Below the cells, as wide as the table; empty: nothing.
  std::string remark;
};

struct HtmlTable {
  // Names, and whether they head numbers.
  struct Column {
    std::string name;
    bool numbers = false;
  };
  std::vector<Column> columns;
  std::vector<HtmlRow> rows;
};

// Each row has a cell for every column; dies else.
std::string ToHtml(const HtmlTable& table);

// A paragraph.
std::string Paragraph(absl::string_view text);

// One line that says why there is nothing to see.
std::string Missing(absl::string_view text);

// A heading inside a section.
std::string Subheading(absl::string_view text);

// A plot, and what to see in it. The plot becomes as wide as two of them stand
// side by side.
std::string Figure(Plot plot, absl::string_view caption);

// Figures beside each other where there is room.
std::string Figures(const std::vector<std::string>& figures);

// A few words that name what follows.
std::string Label(absl::string_view text);

// Text that keeps its line breaks; what is beyond `most` characters is cut.
std::string Quote(absl::string_view text, size_t most);

// Text as a terminal shows it.
std::string Preformatted(absl::string_view text);

// The same, opened by a click.
std::string Foldout(absl::string_view summary, absl::string_view text);

}  // namespace rlhf
