#include "core/launch/launch_variables.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rlhf {
namespace {

const char* IsOrAre(const std::vector<std::string>& names) {
  return names.size() == 1 ? " is" : " are";
}

}  // namespace

absl::Status LaunchError(const std::string& message) {
  return absl::InvalidArgumentError(
      absl::StrCat("launch environment: ", message));
}

std::string LaunchVariables::Text(const std::string& name) const {
  const auto it = values_.find(name);
  return it == values_.end() ? "" : it->second;
}

absl::StatusOr<int> LaunchVariables::Number(const std::string& name, int low,
                                            int high) const {
  const std::string text = Text(name);
  int value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < low || value > high) {
    return LaunchError(absl::StrCat(
        name, "=\"", text, "\"; wanted a number from ", low, " to ", high));
  }
  return value;
}

absl::StatusOr<int> LaunchVariables::NumberOr(const std::string& name, int low,
                                              int high, int fallback) const {
  if (!Has(name)) return fallback;
  return Number(name, low, high);
}

absl::Status LaunchVariables::RequireAll(const std::vector<std::string>& names,
                                         const std::string& advice) const {
  std::vector<std::string> found, missing;
  for (const std::string& name : names) {
    (Has(name) ? found : missing).push_back(name);
  }
  if (missing.empty()) return absl::OkStatus();
  return LaunchError(absl::StrCat(absl::StrJoin(found, ", "), IsOrAre(found),
                                  " set, but ", absl::StrJoin(missing, ", "),
                                  IsOrAre(missing), " not; ", advice));
}

}  // namespace rlhf
