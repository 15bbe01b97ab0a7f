// Protocol buffers as JSON, with the field names of the .proto files.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// One line, without a line break; fields at their default are left out only
// where they are absent.
std::string ProtoToJsonLine(const google::protobuf::Message& message);

// The same over several lines, for people.
std::string ProtoToPrettyJson(const google::protobuf::Message& message);

// Errors: InvalidArgument for bad JSON, an unknown field or a wrong type.
absl::Status JsonToProto(absl::string_view json,
                         google::protobuf::Message* message);

}  // namespace rlhf
