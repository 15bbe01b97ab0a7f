#include "feedback/one_line.h"

#include <utf8proc.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

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
  const auto* const bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + at, size - at, &code_point);
    if (length <= 0) {
      return absl::InvalidArgumentError(absl::StrCat(field, " is not UTF-8"));
    }
    if (!IsOfOneLine(code_point)) {
      return absl::InvalidArgumentError(absl::StrCat(
          field, absl::StrFormat(" holds U+%04X", code_point),
          ", a control character or line break: it is kept as one line, so "
          "leave it out"));
    }
    at += length;
  }
  return absl::OkStatus();
}

}  // namespace rlhf
