// A gold judge that is itself a preference model (`--gold-model DIR`).
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "crowd/gold_judge.h"

namespace rlhf {

// Errors: as LoadPm.
absl::StatusOr<std::unique_ptr<GoldJudge>> MakePmJudge(
    const std::string& directory);

}  // namespace rlhf
