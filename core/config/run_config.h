// The configuration of a run: proto/rlhf/v1/config.proto in protobuf text
// format, with overrides.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Reads `path` and applies `overrides` ("ppo.learning_rate=1e-5", in order).
// Relative paths within are relative to the current directory.
//
// Errors:
//   NotFound         no such file
//   InvalidArgument  what is wrong with it, a line each, as
//                    "path:line:column: message" or, for an override,
//                    "--set FIELD=VALUE: message". First every unknown field
//                    (with the nearest known name) and the first syntax error
//                    or wrong type; once it parses, every value that is
//                    missing, out of range or at odds with another, by field
//                    path
absl::StatusOr<v1::RunConfig> LoadRunConfig(
    const std::string& path, const std::vector<std::string>& overrides);

// The same from text; `path` is for messages only.
absl::StatusOr<v1::RunConfig> ParseRunConfig(
    const std::string& text, const std::string& path,
    const std::vector<std::string>& overrides);

// What the two above check once it parses. Errors: InvalidArgument, a line for
// each value that is missing, out of range or at odds with another, by field
// path.
absl::Status CheckRunConfig(const v1::RunConfig& config);

// Every field with its value, defaults written out, in text format.
std::string ResolvedText(const v1::RunConfig& config);

// Lines "field: old -> new" for every field that differs.
std::vector<std::string> DiffConfigs(const v1::RunConfig& old_config,
                                     const v1::RunConfig& new_config);

// `runs_dir`/`name`.
std::string RunDirectory(const v1::RunConfig& config);

}  // namespace rlhf
