#include "cli/report/html.h"

#include "absl/strings/str_cat.h"
#include "cli/xml_text.h"
#include "core/base/check.h"

namespace rlhf {
namespace {

constexpr double kFigureWidth = 480;

std::string Element(absl::string_view name, absl::string_view text) {
  return absl::StrCat("<", name, ">", EscapeXml(text), "</", name, ">\n");
}

std::string Head(const HtmlTable& table) {
  std::string html = "<thead><tr>";
  for (const HtmlTable::Column& column : table.columns) {
    absl::StrAppend(&html, column.numbers ? "<th class=\"number\">" : "<th>",
                    EscapeXml(column.name), "</th>");
  }
  return absl::StrCat(html, "</tr></thead>\n");
}

std::string Row(const HtmlTable& table, const HtmlRow& row) {
  RLHF_CHECK(row.cells.size() == table.columns.size()) << row.cells.size();
  std::string html = row.remark.empty() ? "<tr>" : "<tr class=\"with-remark\">";
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const HtmlCell& cell = row.cells[i];
    const std::string text = EscapeXml(cell.text);
    absl::StrAppend(&html,
                    table.columns[i].numbers ? "<td class=\"number\">"
                                             : "<td dir=\"auto\">",
                    cell.mark.empty()
                        ? text
                        : absl::StrCat("<span class=\"mark ", cell.mark, "\">",
                                       text, "</span>"),
                    "</td>");
  }
  absl::StrAppend(&html, "</tr>\n");
  if (!row.remark.empty()) {
    absl::StrAppend(&html, "<tr class=\"remark\"><td colspan=\"",
                    table.columns.size(), "\">", EscapeXml(row.remark),
                    "</td></tr>\n");
  }
  return html;
}

}  // namespace

std::string ToHtml(const HtmlTable& table) {
  std::string html =
      absl::StrCat("<div class=\"wide\"><table>\n", Head(table), "<tbody>\n");
  for (const HtmlRow& row : table.rows) absl::StrAppend(&html, Row(table, row));
  return absl::StrCat(html, "</tbody></table></div>\n");
}

std::string Paragraph(absl::string_view text) { return Element("p", text); }

std::string Missing(absl::string_view text) {
  return absl::StrCat("<p class=\"missing\">", EscapeXml(text), "</p>\n");
}

std::string Subheading(absl::string_view text) { return Element("h3", text); }

std::string Figure(Plot plot, absl::string_view caption) {
  plot.width = kFigureWidth;
  return absl::StrCat("<figure>\n", RenderSvg(plot), "<figcaption>",
                      EscapeXml(caption), "</figcaption>\n</figure>\n");
}

std::string Figures(const std::vector<std::string>& figures) {
  std::string html = "<div class=\"figures\">\n";
  for (const std::string& figure : figures) absl::StrAppend(&html, figure);
  return absl::StrCat(html, "</div>\n");
}

std::string Label(absl::string_view text) {
  return absl::StrCat("<div class=\"label\">", EscapeXml(text), "</div>\n");
}

std::string Quote(absl::string_view text, size_t most) {
  return absl::StrCat("<blockquote dir=\"auto\">",
                      EscapeXml(Shortened(text, most)), "</blockquote>\n");
}

std::string Preformatted(absl::string_view text) {
  return Element("pre", text);
}

std::string Foldout(absl::string_view summary, absl::string_view text) {
  return absl::StrCat("<details><summary>", EscapeXml(summary), "</summary>\n",
                      Preformatted(text), "</details>\n");
}

}  // namespace rlhf
