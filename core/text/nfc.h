// Unicode's canonical composition.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// NFC of valid UTF-8, as Hugging Face's tokenizers computes it: code points
// that its tables lack stay where they are (unicode_tables.h).
std::string ToNfc(absl::string_view text);

}  // namespace rlhf
