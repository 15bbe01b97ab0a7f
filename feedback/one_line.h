// What people write into reports and logs, where a line break would begin a
// line that nobody wrote.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// InvalidArgument, which begins with `field`, unless `text` is UTF-8 without
// control characters, line breaks of any kind (U+2028 too) and what turns the
// direction of the text around it.
absl::Status CheckIsOneLine(absl::string_view field, absl::string_view text);

}  // namespace rlhf
