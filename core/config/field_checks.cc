#include "core/config/field_checks.h"

#include <google/protobuf/descriptor.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/config/address.h"
#include "core/config/nearest_word.h"
#include "rlhf/v1/options.pb.h"

namespace rlhf {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

// Calls visit(message, field, index, path) for every leaf value: each element
// of a list, each singular field whether it was given or not (index -1).
template <typename Visit>
void VisitValues(const Message& message, const std::string& prefix,
                 const Visit& visit) {
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const bool is_message =
        field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const std::string path = prefix + field.name();
    if (!field.is_repeated()) {
      if (is_message) {
        VisitValues(reflection.GetMessage(message, &field), path + ".", visit);
      } else {
        visit(message, field, -1, path);
      }
      continue;
    }
    for (int k = 0; k < reflection.FieldSize(message, &field); ++k) {
      const std::string element = absl::StrCat(path, "[", k, "]");
      if (is_message) {
        VisitValues(reflection.GetRepeatedMessage(message, &field, k),
                    element + ".", visit);
      } else {
        visit(message, field, k, element);
      }
    }
  }
}

bool IsNumber(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_INT32 ||
         field.cpp_type() == FieldDescriptor::CPPTYPE_INT64 ||
         field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE;
}

// `index` is -1 for a singular field.
double NumberOf(const Message& message, const FieldDescriptor& field,
                int index) {
  const Reflection& r = *message.GetReflection();
  const bool list = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return list ? r.GetRepeatedInt32(message, &field, index)
                  : r.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return static_cast<double>(
          list ? r.GetRepeatedInt64(message, &field, index)
               : r.GetInt64(message, &field));
    default:
      return list ? r.GetRepeatedDouble(message, &field, index)
                  : r.GetDouble(message, &field);
  }
}

// "" for an open end. 15 digits show every bound as it was written.
std::string RangeText(const v1::Range& range) {
  const std::string low =
      range.has_min()
          ? absl::StrFormat("%s %.15g",
                            range.exclusive_min() ? "above" : "at least",
                            range.min())
          : "";
  const std::string high =
      range.has_max() ? absl::StrFormat("at most %.15g", range.max()) : "";
  if (low.empty() && high.empty()) return "a finite number";
  return absl::StrCat(low, low.empty() || high.empty() ? "" : " and ", high);
}

bool InRange(double value, const v1::Range& range) {
  if (!std::isfinite(value)) return false;
  if (range.has_min() &&
      (range.exclusive_min() ? value <= range.min() : value < range.min())) {
    return false;
  }
  return !range.has_max() || value <= range.max();
}

// One value in text format.
std::string ValueText(const Message& message, const FieldDescriptor& field,
                      int index) {
  std::string text;
  TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.PrintFieldValueToString(message, &field, index, &text);
  return text;
}

// Empty if all is well.
std::string Complaint(const Message& message, const FieldDescriptor& field,
                      int index, bool has_tls) {
  const auto& options = field.options();
  if (IsNumber(field)) {
    const v1::Range& range = options.GetExtension(v1::range);
    if (InRange(NumberOf(message, field, index), range)) return "";
    return absl::StrCat("is ", ValueText(message, field, index), "; wanted ",
                        RangeText(range));
  }
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING || index >= 0) {
    return "";
  }
  const std::string text = message.GetReflection()->GetString(message, &field);
  if (options.GetExtension(v1::required_by_user) && text.empty()) {
    return "must be given";
  }
  absl::Status status;
  if (options.GetExtension(v1::loopback_address)) {
    status = CheckPageAddress(text);
  }
  if (options.GetExtension(v1::rpc_address)) {
    status = CheckAddress(text, has_tls);
  }
  if (options.GetExtension(v1::rpc_addresses)) {
    status = SplitAddresses(text, has_tls).status();
  }
  return std::string(status.message());
}

std::map<std::string, std::string> ValueTexts(const Message& message) {
  std::map<std::string, std::string> texts;
  VisitValues(message, "",
              [&](const Message& holder, const FieldDescriptor& field,
                  int index, const std::string& path) {
                texts[path] = ValueText(holder, field, index);
              });
  return texts;
}

void AddPlaces(const Message& message, const TextFormat::ParseInfoTree& tree,
               const std::string& prefix,
               std::map<std::string, std::string>* places) {
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const bool list = field.is_repeated();
    const bool is_message =
        field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const int count = list ? reflection.FieldSize(message, &field)
                           : reflection.HasField(message, &field);
    for (int k = 0; k < count; ++k) {
      const int index = list ? k : -1;
      auto place = tree.GetLocation(&field, index);
      // Of a list [a, b] the parser notes only where it begins.
      if (place.line < 0) place = tree.GetLocation(&field, 0);
      const std::string path =
          list ? absl::StrCat(prefix, field.name(), "[", k, "]")
               : prefix + field.name();
      (*places)[path] = absl::StrCat(place.line + 1, ":", place.column + 1);
      const auto* nested =
          is_message ? tree.GetTreeForNested(&field, index) : nullptr;
      if (nested == nullptr) continue;
      AddPlaces(list ? reflection.GetRepeatedMessage(message, &field, k)
                     : reflection.GetMessage(message, &field),
                *nested, path + ".", places);
    }
  }
}

}  // namespace

std::vector<FieldProblem> CheckFields(const Message& message, bool has_tls) {
  std::vector<FieldProblem> problems;
  VisitValues(message, "",
              [&](const Message& holder, const FieldDescriptor& field,
                  int index, const std::string& path) {
                std::string complaint =
                    Complaint(holder, field, index, has_tls);
                if (complaint.empty()) return;
                problems.push_back({path, std::move(complaint)});
              });
  return problems;
}

std::map<std::string, std::string> FieldPlaces(
    const Message& message, const TextFormat::ParseInfoTree& tree) {
  std::map<std::string, std::string> places;
  AddPlaces(message, tree, "", &places);
  return places;
}

std::vector<std::string> CompareFields(const Message& a, const Message& b) {
  std::map<std::string, std::string> old_values = ValueTexts(a);
  std::vector<std::string> lines;
  for (const auto& [path, text] : ValueTexts(b)) {
    const auto old = old_values.extract(path);
    const std::string old_text = old.empty() ? "absent" : old.mapped();
    if (old_text != text) {
      lines.push_back(absl::StrCat(path, ": ", old_text, " -> ", text));
    }
  }
  for (const auto& [path, text] : old_values) {
    lines.push_back(absl::StrCat(path, ": ", text, " -> absent"));
  }
  return lines;
}

std::string UnknownField(const Descriptor& type, const std::string& name) {
  std::vector<std::string> known;
  for (int i = 0; i < type.field_count(); ++i) {
    known.push_back(type.field(i)->name());
  }
  const std::string nearest = NearestWord(name, known);
  return absl::StrCat(
      "unknown field \"", name, "\" in ", type.name(), "; ",
      nearest.empty()
          ? absl::StrCat("its fields are ", absl::StrJoin(known, ", "))
          : absl::StrCat("did you mean \"", nearest, "\"?"));
}

}  // namespace rlhf
