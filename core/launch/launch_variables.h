// The variables of an environment, read one by one with the words for what is
// wrong with them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rlhf {

// More ranks than any group has.
inline constexpr int kMaxRanks = 1 << 20;

// A variable that is set to nothing counts as not set. Holds a reference to
// `environment`, which must outlive it.
class LaunchVariables {
 public:
  explicit LaunchVariables(const std::map<std::string, std::string>& values)
      : values_(values) {}

  bool Has(const std::string& name) const { return !Text(name).empty(); }
  // Empty if it is not set.
  std::string Text(const std::string& name) const;

  // Errors: InvalidArgument unless it is a number from `low` to `high`.
  absl::StatusOr<int> Number(const std::string& name, int low, int high) const;
  // The same, or `fallback` if it is not set.
  absl::StatusOr<int> NumberOr(const std::string& name, int low, int high,
                               int fallback) const;

  // InvalidArgument unless all of `names` are set: those that are, those that
  // are not, and `advice`.
  absl::Status RequireAll(const std::vector<std::string>& names,
                          const std::string& advice) const;

 private:
  const std::map<std::string, std::string>& values_;
};

// Every message of this folder begins alike.
absl::Status LaunchError(const std::string& message);

}  // namespace rlhf
