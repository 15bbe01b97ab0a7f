// Activation vectors of whole token sequences.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/nn/transformer.h"

namespace rlhf {

// Turns `layer` into a number of layers to run, in [0, num_layers]: negative
// ones count from the end, -1 being all layers.
//
// Errors: InvalidArgument outside [-num_layers - 1, num_layers].
absl::StatusOr<int64_t> ResolveLayer(int64_t layer, int64_t num_layers);

// The hidden state at the last token of each sequence after `layer` layers
// (Transformer::HiddenAfter; negative as for ResolveLayer), [S, D], float32 on
// the CPU, without gradient. In packed groups of at most `max_tokens` tokens.
// No sequence gives [0, D].
//
// Errors: InvalidArgument for such a layer, an empty sequence or an id outside
// the vocabulary; those of TorchCall.
absl::StatusOr<at::Tensor> LastTokenActivations(
    const Transformer& model, absl::Span<const std::vector<int32_t>> sequences,
    int64_t layer, int64_t max_tokens);

}  // namespace rlhf
