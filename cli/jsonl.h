// Lines of JSON in, lines of JSON out.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/json.h"

namespace rlhf {

// Calls `handle` with each non-empty line of `input` ("-": standard input).
//
// Errors: NotFound; those of `handle` and of bad JSON, as "input:line: what".
absl::Status ForEachLine(
    const std::string& input,
    const std::function<absl::Status(const Json&)>& handle);

// Writes one line to standard output. Errors: Unavailable if it is full.
absl::Status PrintLine(const Json& value);

}  // namespace rlhf
