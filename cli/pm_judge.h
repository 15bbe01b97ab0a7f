// The gold judge that a run file or `--gold-model DIR` asks for.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "crowd/gold_judge.h"

namespace rlhf {

// The PM in `directory`, or the gold rule if it is empty. Errors: as LoadPm.
absl::StatusOr<std::unique_ptr<GoldJudge>> MakeGoldJudge(
    const std::string& directory);

}  // namespace rlhf
