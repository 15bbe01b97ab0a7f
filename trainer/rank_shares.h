// Which rank works on which sample of a batch.
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

}  // namespace rlhf
