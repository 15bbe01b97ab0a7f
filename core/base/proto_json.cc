#include "core/base/proto_json.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"

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

absl::Status AppendLine(const std::string& path, absl::string_view line) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  const std::string text = absl::StrCat(line, "\n");
  const ssize_t written = ::write(fd, text.data(), text.size());
  const int error = errno;
  ::close(fd);
  if (written < 0) return ErrnoStatus(error, "write", path);
  if (static_cast<size_t>(written) != text.size()) {
    return ErrnoStatus(ENOSPC, "write", path);
  }
  return absl::OkStatus();
}

}  // namespace rlhf
