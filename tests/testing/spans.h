// Spans as a test reads them back.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/json.h"

namespace rlhf {

// The spans of a file of OTLP/JSON lines, in order; none if there is no file.
// Throws on what is no such line.
inline std::vector<Json> ReadSpans(const std::string& path) {
  std::vector<Json> spans;
  const std::string text = ReadFile(path).value_or("");
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    spans.push_back(ParseJson(line)
                        .value()
                        .at("resourceSpans")
                        .at(0)
                        .at("scopeSpans")
                        .at(0)
                        .at("spans")
                        .at(0));
  }
  return spans;
}

// The value of a span's attribute as text; "" if it has none of that name.
inline std::string AttributeOf(const Json& span, const std::string& key) {
  for (const Json& attribute : span.at("attributes")) {
    if (attribute.at("key") != key) continue;
    return attribute.at("value").begin().value().get<std::string>();
  }
  return "";
}

}  // namespace rlhf
