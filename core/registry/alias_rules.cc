#include "core/registry/alias_rules.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr char kServing[] = "serving";
constexpr char kPrevious[] = "previous";
constexpr char kShadow[] = "shadow";
constexpr char kCanary[] = "canary";

std::string Name(std::optional<int64_t> version) {
  return version.has_value() ? absl::StrCat("version ", *version)
                             : "no version";
}

}  // namespace

std::optional<int64_t> FindAlias(const Aliases& aliases,
                                 const std::string& alias) {
  const auto it = aliases.find(alias);
  return it == aliases.end() ? std::nullopt : std::optional(it->second);
}

absl::Status PromoteIn(Aliases& aliases, int64_t version,
                       std::optional<int64_t> expected_serving) {
  const std::optional<int64_t> serving = FindAlias(aliases, kServing);
  if (serving != expected_serving) {
    return absl::AbortedError(absl::StrCat(
        Name(serving), " serves, expected ", Name(expected_serving),
        "; look again before promoting version ", version));
  }
  if (serving == version) return absl::OkStatus();
  if (serving.has_value()) aliases[kPrevious] = *serving;
  aliases[kServing] = version;
  // It serves: its trials are over.
  for (const char* trial : {kShadow, kCanary}) {
    if (FindAlias(aliases, trial) == version) aliases.erase(trial);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> RollBackIn(Aliases& aliases) {
  if (!FindAlias(aliases, kPrevious).has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        Name(FindAlias(aliases, kServing)),
        " serves and nothing served before it, so there is nothing to go back "
        "to"));
  }
  std::swap(aliases[kServing], aliases[kPrevious]);
  return aliases[kServing];
}

}  // namespace rlhf
