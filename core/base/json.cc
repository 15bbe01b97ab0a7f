#include "core/base/json.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr int kMaxDepth = 64;

// Whether brackets outside of strings open deeper than allowed. Looked for
// before parsing, which would build all of it first.
bool IsTooDeep(absl::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  if (IsTooDeep(text)) {
    return absl::InvalidArgumentError("more than 64 levels deep");
  }
  std::vector<std::set<std::string>> keys;
  std::string problem;
  const auto callback = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(parsed.get<std::string>()).second) {
      problem =
          absl::StrCat("duplicate key \"", parsed.get<std::string>(), "\"");
    }
    return problem.empty() || event != Json::parse_event_t::value;
  };
  // The library reports errors by throwing; nothing escapes this function.
  try {
    Json value = Json::parse(text.begin(), text.end(), callback);
    if (!problem.empty()) return absl::InvalidArgumentError(problem);
    return value;
  } catch (const Json::exception& error) {
    // The library puts its own name and a number in brackets before it.
    absl::string_view what = error.what();
    if (const size_t end = what.find("] ");
        what[0] == '[' && end != what.npos) {
      what.remove_prefix(end + 2);
    }
    // It quotes what it read last, whatever bytes these are: DumpJson makes
    // characters of them.
    const Json quoted = Json::parse(DumpJson(std::string(what)));
    return absl::InvalidArgumentError(
        absl::StrCat("not valid JSON: ", quoted.get<std::string>()));
  }
}

std::string DumpJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::string> GetString(const Json& object,
                                      absl::string_view key) {
  if (!object.is_object()) {
    return absl::InvalidArgumentError("not a JSON object");
  }
  const auto it = object.find(std::string(key));
  if (it == object.end()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", key, "\" is missing"));
  }
  if (!it->is_string()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" is not a string"));
  }
  return it->get<std::string>();
}

}  // namespace rlhf
