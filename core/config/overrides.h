// Values given on the command line over those of a run file.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/statusor.h"

namespace rlhf {

// Applies "ppo.learning_rate=1e-5" to `message` and returns the field path.
// Strings need no quotes; a list is given as a,b,c or, as in a run file,
// [a, b, c], and replaces the old one.
//
// Errors: InvalidArgument if there is no such field, or the value is not of its
// type; the message then begins with "--set " and the assignment.
absl::StatusOr<std::string> ApplyOverride(const std::string& assignment,
                                          google::protobuf::Message* message);

}  // namespace rlhf
