// The scores that a preference model gives to judged pairs.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/nn/transformer.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

// Chosen and rejected of each example, one after the other, as they are scored.
std::vector<std::vector<int32_t>> BothSides(
    const std::vector<PmExample>& examples);

// The examples with the scores of BothSides; dies unless there are as many.
std::vector<MeasuredPair> PairUp(const std::vector<PmExample>& examples,
                                 const std::vector<float>& scores);

// One per example, in order. `micro_batch_tokens` bounds memory, not results.
// Errors: as ScoreSequences.
absl::StatusOr<std::vector<MeasuredPair>> ScorePairs(
    const Transformer& model, const std::vector<PmExample>& examples,
    int64_t micro_batch_tokens);

}  // namespace rlhf
