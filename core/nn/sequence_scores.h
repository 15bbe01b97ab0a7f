// Scores of whole token sequences by a preference model.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/nn/transformer.h"

namespace rlhf {

// Errors: InvalidArgument for an empty sequence or an id outside the
// vocabulary; it is told as "`what` 3".
absl::Status CheckTokens(absl::Span<const std::vector<int32_t>> sequences,
                         int64_t vocab_size, absl::string_view what);

// Cuts `sequences` into consecutive groups of at most `max_tokens` tokens each
// (a longer sequence is a group of its own). Returns the size of each group.
std::vector<size_t> GroupByTokens(
    absl::Span<const std::vector<int32_t>> sequences, int64_t max_tokens);

// The hidden state at the last token of each sequence (the end-of-context
// token), [S, D]: what the head makes the score of. Differentiable; throws like
// LibTorch.
at::Tensor LastTokenStates(const Transformer& model,
                           absl::Span<const std::vector<int32_t>> sequences);

// The score at the last token of each sequence, [S], differentiable. Throws
// like LibTorch; callers wrap it in TorchCall.
at::Tensor LastTokenScores(const Transformer& model,
                           absl::Span<const std::vector<int32_t>> sequences);

// The same without gradient, in groups of at most `max_tokens` tokens, as
// numbers in order. Unit: preference log-odds. `go_on` is asked before each
// group's pass; its error ends the scoring.
//
// Errors: InvalidArgument for an empty sequence or an id outside the
// vocabulary; Internal if a score is not finite; those of `go_on`.
absl::StatusOr<std::vector<float>> ScoreSequences(
    const Transformer& model, absl::Span<const std::vector<int32_t>> sequences,
    int64_t max_tokens,
    const std::function<absl::Status()>& go_on = absl::OkStatus);

}  // namespace rlhf
