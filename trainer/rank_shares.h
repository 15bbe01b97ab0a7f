// Which rank works on which sample of a batch, and how they stay in step.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "trainer/response_forward.h"

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

// Sharded weights come together only if every rank takes part in every pass:
// how many micro-batches `rank` makes fewer than the rank that makes most.
// `rank_of` says whose each dialogue is.
int64_t PassesBehind(int rank, absl::Span<const PromptResponse> dialogues,
                     absl::Span<const int> rank_of, int64_t micro_batch_tokens);

}  // namespace rlhf
