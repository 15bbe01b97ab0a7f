#include "feedback/access/account_name.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr size_t kMaxNameBytes = 40;
// A letter with dots that nobody sees: it is no space for Unicode.
constexpr utf8proc_int32_t kBlankBraille = 0x2800;

bool IsSeen(utf8proc_int32_t code_point) {
  if (code_point == ' ') return true;
  if (code_point == kBlankBraille) return false;
  const utf8proc_property_t* const property = utf8proc_get_property(code_point);
  if (property->ignorable) return false;
  switch (property->category) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

}  // namespace

absl::Status CheckKeptAccountName(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the name has ", name.size(),
                                                   " bytes; it must have 1 to ",
                                                   kMaxNameBytes));
  }
  const auto is_control = [](unsigned char c) {
    return absl::ascii_iscntrl(c);
  };
  if (std::any_of(name.begin(), name.end(), is_control) ||
      absl::StripAsciiWhitespace(name) != name) {
    return absl::InvalidArgumentError(
        "the name holds a control character, or begins or ends with a space");
  }
  // What is no UTF-8 would be written as something else.
  const auto read = ParseJson(DumpJson(Json(name)));
  if (!read.ok() || *read != Json(name)) {
    return absl::InvalidArgumentError("the name is not UTF-8");
  }
  return absl::OkStatus();
}

absl::Status CheckAccountName(const std::string& name) {
  RLHF_RETURN_IF_ERROR(CheckKeptAccountName(name));
  const auto* const bytes = reinterpret_cast<const uint8_t*>(name.data());
  const auto size = static_cast<utf8proc_ssize_t>(name.size());
  utf8proc_ssize_t at = 0;
  while (at < size) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + at, size - at, &code_point);
    if (length <= 0) return absl::InvalidArgumentError("the name is not UTF-8");
    if (!IsSeen(code_point)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "the name holds U+%04X, which nobody sees: two names that look the "
          "same could be different people; leave it out",
          code_point));
    }
    at += length;
  }
  return absl::OkStatus();
}

}  // namespace rlhf
