// What may become of a registry's aliases. Pure; ModelRegistry makes it last.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/registry/transition_log.h"

namespace rlhf {

// The version that `alias` points to; nullopt if it points nowhere.
std::optional<int64_t> FindAlias(const Aliases& aliases,
                                 const std::string& alias);

// As ModelRegistry::Promote. After an error nothing changed.
absl::Status PromoteIn(Aliases& aliases, int64_t version,
                       std::optional<int64_t> expected_serving);

// As ModelRegistry::RollBack. After an error nothing changed.
absl::StatusOr<int64_t> RollBackIn(Aliases& aliases);

}  // namespace rlhf
