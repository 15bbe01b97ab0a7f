#include "cli/order_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace rlhf {

std::string EffectText(const v1::OrderRecord& record) {
  const v1::Order& order = record.order();
  std::string effect;
  if (order.action() == v1::Order::REVERT) {
    effect = absl::StrCat("order ", order.reverts(), " taken back: ");
  }
  if (!record.field().empty()) {
    absl::StrAppend(&effect, record.field(), " ", record.old_value(), " -> ",
                    record.new_value(), ", from update ", record.from_update(),
                    " on");
  } else {
    effect = absl::StrCat(
        absl::AsciiStrToLower(v1::Order::Action_Name(order.action())),
        " after update ", record.given_at_update());
  }
  if (!order.revert_if().empty()) {
    absl::StrAppend(&effect, ", taken back if ", order.revert_if());
  }
  return effect;
}

}  // namespace rlhf
