#include "cli/trace.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// Json::value with the types that a file may not have.
std::string TextOf(const Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

const Json& ListOf(const Json& object, const char* key) {
  static const Json* const kNone = new Json(Json::array());
  if (!object.is_object()) return *kNone;
  const auto it = object.find(key);
  return it != object.end() && it->is_array() ? *it : *kNone;
}

int64_t NanosOf(const Json& span, const char* key) {
  int64_t nanos = 0;
  return absl::SimpleAtoi(TextOf(span, key), &nanos) ? nanos : 0;
}

std::string AttributesOf(const Json& span) {
  std::string text;
  for (const Json& attribute : ListOf(span, "attributes")) {
    if (!attribute.is_object() || !attribute.contains("value")) continue;
    const Json& value = attribute["value"];
    const std::string number = TextOf(value, "intValue");
    absl::StrAppend(&text, text.empty() ? "" : " ", TextOf(attribute, "key"),
                    "=",
                    number.empty() ? TextOf(value, "stringValue") : number);
  }
  return text;
}

bool IsOf(const Json& span, const std::string& rollout_id) {
  for (const Json& attribute : ListOf(span, "attributes")) {
    if (TextOf(attribute, "key") == "rollout_id" &&
        attribute.contains("value") &&
        TextOf(attribute["value"], "stringValue") == rollout_id) {
      return true;
    }
  }
  return false;
}

void AddSpansOf(const Json& line, const std::string& role,
                std::vector<TracedSpan>& spans) {
  for (const Json& resource : ListOf(line, "resourceSpans")) {
    for (const Json& scope : ListOf(resource, "scopeSpans")) {
      for (const Json& span : ListOf(scope, "spans")) {
        spans.push_back({.role = role, .span = span});
      }
    }
  }
}

// Those of the rollout's trace, and the calls below them or below what they
// link to.
std::vector<TracedSpan> Belonging(const std::vector<TracedSpan>& all,
                                  const std::string& trace_id) {
  std::set<std::string> shared;
  for (const TracedSpan& one : all) {
    if (TextOf(one.span, "traceId") != trace_id) continue;
    for (const Json& link : ListOf(one.span, "links")) {
      shared.insert(TextOf(link, "spanId"));
    }
  }
  std::vector<TracedSpan> found;
  for (const TracedSpan& one : all) {
    if (TextOf(one.span, "traceId") == trace_id ||
        shared.count(TextOf(one.span, "parentSpanId")) > 0) {
      found.push_back(one);
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const TracedSpan& a, const TracedSpan& b) {
                     return NanosOf(a.span, "startTimeUnixNano") <
                            NanosOf(b.span, "startTimeUnixNano");
                   });
  return found;
}

std::string LineOf(const TracedSpan& one, int64_t begin) {
  const int64_t start = NanosOf(one.span, "startTimeUnixNano");
  const int64_t end = NanosOf(one.span, "endTimeUnixNano");
  std::string line = absl::StrFormat("%+9.3f s  %8.3f s  %-13s  %s",
                                     static_cast<double>(start - begin) / 1e9,
                                     static_cast<double>(end - start) / 1e9,
                                     one.role, TextOf(one.span, "name"));
  const std::string attributes = AttributesOf(one.span);
  if (!attributes.empty()) absl::StrAppend(&line, "  ", attributes);
  if (one.span.contains("status")) {
    const std::string message = TextOf(one.span["status"], "message");
    if (!message.empty()) absl::StrAppend(&line, "  failed: ", message);
  }
  return line;
}

}  // namespace

absl::StatusOr<std::vector<TracedSpan>> ReadTraces(const std::string& folder) {
  std::vector<TracedSpan> spans;
  for (const std::string& name : ListDirectory(folder)) {
    if (!absl::EndsWith(name, ".jsonl")) continue;
    const std::string role = name.substr(0, name.find('.'));
    RLHF_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(absl::StrCat(folder, "/", name)));
    for (const absl::string_view line :
         absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      const absl::StatusOr<Json> parsed = ParseJson(line);
      if (parsed.ok()) AddSpansOf(*parsed, role, spans);
    }
  }
  return spans;
}

absl::StatusOr<std::vector<std::string>> DescribeTrace(
    const std::vector<TracedSpan>& spans, const std::string& rollout_id) {
  const auto own = std::find_if(
      spans.begin(), spans.end(),
      [&](const TracedSpan& one) { return IsOf(one.span, rollout_id); });
  if (own == spans.end()) {
    return absl::NotFoundError(absl::StrCat(
        "no span of rollout ", rollout_id,
        ": the run traces tracing.rollout_share of its rollouts, and keeps the "
        "newest; wanted an id such as 000012/007"));
  }
  const std::vector<TracedSpan> found =
      Belonging(spans, TextOf(own->span, "traceId"));
  std::vector<std::string> lines;
  for (const TracedSpan& one : found) {
    lines.push_back(
        LineOf(one, NanosOf(found.front().span, "startTimeUnixNano")));
  }
  return lines;
}

}  // namespace rlhf
