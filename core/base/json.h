// JSON from outside, with limits: nlohmann's parser takes duplicate keys and
// any depth without a word, and throws.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace rlhf {

using Json = nlohmann::json;

// Parses one JSON value.
//
// Errors: InvalidArgument for a syntax error (with line and column), a
// duplicate key, invalid UTF-8, or more than 64 levels.
absl::StatusOr<Json> ParseJson(absl::string_view text);

// One line, invalid UTF-8 replaced (model output is arbitrary bytes).
std::string DumpJson(const Json& value);

// The string member `key` of `object`.
// Errors: InvalidArgument that names the key if it is absent or no string.
absl::StatusOr<std::string> GetString(const Json& object,
                                      absl::string_view key);

}  // namespace rlhf
