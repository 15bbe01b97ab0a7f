#include "core/base/proto_json.h"

#include <google/protobuf/util/json_util.h>

#include "core/base/check.h"

namespace rlhf {
namespace {

std::string ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = pretty;
  std::string text;
  RLHF_CHECK(
      google::protobuf::util::MessageToJsonString(message, &text, options)
          .ok());
  return text;
}

}  // namespace

std::string ProtoToJsonLine(const google::protobuf::Message& message) {
  return ToJson(message, false);
}

std::string ProtoToPrettyJson(const google::protobuf::Message& message) {
  return ToJson(message, true);
}

absl::Status JsonToProto(absl::string_view json,
                         google::protobuf::Message* message) {
  const auto status =
      google::protobuf::util::JsonStringToMessage(std::string(json), message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(std::string(status.message()));
}

}  // namespace rlhf
