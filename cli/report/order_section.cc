#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/order_text.h"
#include "cli/report/sections.h"

namespace rlhf {

ReportSection OrderSection(const ReportData& data) {
  ReportSection section = {"orders", "Orders", ""};
  if (!data.orders.ok() || data.orders->empty()) {
    section.html = Missing(
        data.orders.ok()
            ? std::string("Orders: none was given while the run went on.")
            : absl::StrCat("Orders: ", data.orders.status().message()));
    return section;
  }
  HtmlTable table = {
      .columns = {{"order", true}, {"time"}, {"by"}, {"what"}, {"why"}}};
  for (const v1::OrderRecord& record : *data.orders) {
    const v1::Order& order = record.order();
    table.rows.push_back({{absl::StrCat(order.seq()), record.time(), order.by(),
                           EffectText(record), order.reason()}});
  }
  section.html = ToHtml(table);
  return section;
}

}  // namespace rlhf
