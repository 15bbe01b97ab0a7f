#include "feedback/one_line.h"

#include <utf8proc.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/text/code_points.h"

namespace rlhf {
namespace {

bool IsOfOneLine(utf8proc_int32_t code_point) {
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      break;
  }
  const bool turns = (code_point >= 0x202A && code_point <= 0x202E) ||
                     (code_point >= 0x2066 && code_point <= 0x2069);
  return !turns;
}

}  // namespace

absl::Status CheckIsOneLine(absl::string_view field, absl::string_view text) {
  utf8proc_int32_t first = -1;
  const bool is_utf8 = ForEachCodePoint(text, [&](utf8proc_int32_t code_point) {
    if (first < 0 && !IsOfOneLine(code_point)) first = code_point;
  });
  if (first >= 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        field, absl::StrFormat(" holds U+%04X", first),
        ", a control character or line break: it is kept as one line, so "
        "leave it out"));
  }
  if (is_utf8) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is not UTF-8"));
}

}  // namespace rlhf
