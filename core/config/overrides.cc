#include "core/config/overrides.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/status_macros.h"
#include "core/config/field_checks.h"

namespace rlhf {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, google::protobuf::io::ColumnNumber,
                const std::string& message) override {
    if (message_.empty()) message_ = message;
  }
  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

struct Target {
  Message* message;  // not owned
  const FieldDescriptor* field;
};

absl::StatusOr<Target> FindTarget(const std::string& path, Message* message) {
  const std::vector<std::string> names = absl::StrSplit(path, '.');
  for (size_t i = 0; i < names.size(); ++i) {
    const FieldDescriptor* field =
        message->GetDescriptor()->FindFieldByName(names[i]);
    const bool is_last = i + 1 == names.size();
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          UnknownField(*message->GetDescriptor(), names[i]));
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      if (is_last) return Target{message, field};
      return absl::InvalidArgumentError(
          absl::StrCat("\"", names[i], "\" is a value and has no fields"));
    }
    if (is_last || field->is_repeated()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", names[i],
          field->is_repeated()
              ? "\" is a list of messages; write it in the run file"
              : "\" holds fields; name one of them"));
    }
    message = message->GetReflection()->MutableMessage(message, field);
  }
  return absl::InternalError("an empty path");  // StrSplit gives >= 1 part
}

absl::Status SetValue(const std::string& text, const Target& target) {
  const auto& [message, field] = target;
  const bool is_quoted =
      !text.empty() && (text.front() == '"' || text.front() == '\'');
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !is_quoted) {
    if (field->is_repeated()) {
      message->GetReflection()->AddString(message, field, text);
    } else {
      message->GetReflection()->SetString(message, field, text);
    }
    return absl::OkStatus();
  }
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (parser.ParseFieldValueFromString(text, field, message)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      error.message().empty() ? absl::StrCat("wanted one value, got: ", text)
                              : error.message());
}

absl::Status Apply(const std::string& path, const std::string& value,
                   Message* message) {
  RLHF_ASSIGN_OR_RETURN(const Target target, FindTarget(path, message));
  target.message->GetReflection()->ClearField(target.message, target.field);
  if (!target.field->is_repeated()) return SetValue(value, target);
  absl::string_view list = value;
  if (absl::StartsWith(list, "[") != absl::EndsWith(list, "]")) {
    return absl::InvalidArgumentError(
        absl::StrCat("a list has both brackets or none, got: ", value));
  }
  if (absl::ConsumePrefix(&list, "[")) absl::ConsumeSuffix(&list, "]");
  if (list.empty()) return absl::OkStatus();
  for (const absl::string_view part : absl::StrSplit(list, ',')) {
    const std::string item(absl::StripAsciiWhitespace(part));
    RLHF_RETURN_IF_ERROR(SetValue(item, target));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ApplyOverride(const std::string& assignment,
                                          Message* message) {
  const size_t equals = assignment.find('=');
  const std::string where = absl::StrCat("--set ", assignment);
  if (equals == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": wanted FIELD=VALUE, such as ppo.learning_rate=1e-5"));
  }
  std::string path = assignment.substr(0, equals);
  RLHF_RETURN_IF_ERROR(
      WithContext(Apply(path, assignment.substr(equals + 1), message), where));
  return path;
}

}  // namespace rlhf
