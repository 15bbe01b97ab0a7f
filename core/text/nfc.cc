#include "core/text/nfc.h"

#include <utf8proc.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "core/text/unicode_tables.h"

namespace rlhf {
namespace {

void AppendNfc(absl::string_view text, std::string& out) {
  if (text.empty()) return;
  utf8proc_uint8_t* result = nullptr;
  const auto size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &result,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) {
    absl::StrAppend(&out, text);  // Not valid UTF-8: the caller broke its word.
    return;
  }
  out.append(reinterpret_cast<const char*>(result), static_cast<size_t>(size));
  std::free(result);
}

}  // namespace

std::string ToNfc(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto* data = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  size_t begin = 0, i = 0;
  while (i < text.size()) {
    utf8proc_int32_t code_point = 0;
    const auto read = utf8proc_iterate(
        data + i, static_cast<utf8proc_ssize_t>(text.size() - i), &code_point);
    const size_t size = read > 0 ? static_cast<size_t>(read) : 1;
    if (IsInertForNfc(code_point)) {
      AppendNfc(text.substr(begin, i - begin), out);
      absl::StrAppend(&out, text.substr(i, size));
      begin = i + size;
    }
    i += size;
  }
  AppendNfc(text.substr(begin), out);
  return out;
}

}  // namespace rlhf
