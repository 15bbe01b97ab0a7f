#include "core/base/json.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr int kMaxDepth = 64;

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  std::vector<std::set<std::string>> keys;
  std::string problem;
  const auto callback = [&](int depth, Json::parse_event_t event,
                            Json& parsed) {
    const bool opens = event == Json::parse_event_t::object_start ||
                       event == Json::parse_event_t::array_start;
    // The outermost value has depth 0.
    if (opens && depth >= kMaxDepth) problem = "more than 64 levels deep";
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
    return absl::InvalidArgumentError(
        absl::StrCat("not valid JSON: ", error.what()));
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
