// Text from anywhere, made fit for XML.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// `text` as the content of an element or the value of a quoted attribute: & < >
// " and ' as entities. What XML 1.0 does not allow, which is control characters
// but tab and line breaks, U+FFFE, U+FFFF and bytes that are no UTF-8, becomes
// U+FFFD.
std::string EscapeXml(absl::string_view text);

// `text` cut after `most` >= 1 characters, of which the last is then "…".
std::string Shortened(absl::string_view text, size_t most);

// Characters (code points) of `text`; a byte that is no UTF-8 may count or not.
size_t NumCharacters(absl::string_view text);

}  // namespace rlhf
