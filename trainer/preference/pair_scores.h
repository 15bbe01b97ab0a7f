// The scores that a preference model gives to judged pairs.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/nn/transformer.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

// One per example, in order. `micro_batch_tokens` bounds memory, not results.
// Errors: as ScoreSequences.
absl::StatusOr<std::vector<MeasuredPair>> ScorePairs(
    const Transformer& model, const std::vector<PmExample>& examples,
    int64_t micro_batch_tokens);

}  // namespace rlhf
