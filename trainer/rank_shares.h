// How ranks with shares of one model stay in step.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "trainer/response_forward.h"

namespace rlhf {

// Sharded weights come together only if every rank takes part in every pass:
// how many micro-batches `rank` makes fewer than the rank that makes most.
// `rank_of` says whose each dialogue is.
int64_t PassesBehind(int rank, absl::Span<const PromptResponse> dialogues,
                     absl::Span<const int> rank_of, int64_t micro_batch_tokens);

}  // namespace rlhf
