// Names prompts by their content, and splits them by that name.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "core/text/chat_format.h"

namespace rlhf {

// 16 hexadecimal digits: xxh3 over roles and contents with their lengths.
std::string PromptId(const Messages& messages);

// A number in [0, 1) that depends on `id` and `salt` alone. Splits are made by
// comparing it with a share, so that all that belongs to a prompt falls on one
// side, today and tomorrow. Different salts give independent splits.
double HashFraction(absl::string_view id, absl::string_view salt);

}  // namespace rlhf
