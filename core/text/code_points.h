// The code points of a text, one by one.
#pragma once

#include <utf8proc.h>

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rlhf {

// Calls `see` with each code point up to what is no UTF-8; false if there is
// such.
template <typename See>
bool ForEachCodePoint(absl::string_view text, See see) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + at, size - at, &code_point);
    if (length <= 0) return false;
    see(code_point);
    at += length;
  }
  return true;
}

}  // namespace rlhf
