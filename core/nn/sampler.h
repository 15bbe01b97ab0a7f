// Draws tokens with a counter-based generator: the draw depends on the key and
// the logits alone, not on the batch around it, the process, or what was drawn
// before.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rlhf {

// Names one response's random stream.
// Streams of different (seed, prompt_id, sample) are independent.
uint64_t SampleStream(uint64_t seed, absl::string_view prompt_id,
                      int64_t sample);

// The uniform number in [0, 1) that decides the token at `position` (0 is the
// first token of the response).
double UniformAt(uint64_t stream, int64_t position);

struct SampledToken {
  int32_t token_id = 0;
  // Log-probability under the distribution it was drawn from, nats.
  float logprob = 0;
};

// Draws one token per row of `logit_BV` from softmax(logits / temperature) by
// inverting the cumulative distribution at uniforms[b]. Temperature 0 takes the
// largest logit (the first of equals) and reports its log-probability at
// temperature 1.
std::vector<SampledToken> SampleTokens(const at::Tensor& logit_BV,
                                       double temperature,
                                       absl::Span<const double> uniforms);

}  // namespace rlhf
