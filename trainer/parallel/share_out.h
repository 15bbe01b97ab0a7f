// Which rank works on which piece of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rlhf {

// Gives each sample of `minibatches` to one of `ranks` so that each has about
// the same number of tokens of each minibatch: the slowest rank is waited for
// in every step. `tokens` are those of each sample. Returns the rank of each
// sample; the same wherever it is asked.
std::vector<int> ShareOut(const std::vector<std::vector<int64_t>>& minibatches,
                          absl::Span<const int64_t> tokens, int ranks);

// Those of `samples` that `rank` works on, by the rank of each sample of the
// batch.
std::vector<int64_t> SamplesOf(int rank, absl::Span<const int> rank_of,
                               const std::vector<int64_t>& samples);

}  // namespace rlhf
