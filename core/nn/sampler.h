// Draws tokens with a counter-based generator: the draw depends on the key and
// the logits alone, not on the batch around it, the process, or what was drawn
// before.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/nn/truncation.h"

namespace rlhf {

// Names one response's random stream.
// Streams of different (seed, prompt_id, sample) are independent.
uint64_t SampleStream(uint64_t seed, absl::string_view prompt_id,
                      int64_t sample);

// The uniform number in [0, 1) that decides the token at `position` (0 is the
// first token of the response).
double UniformAt(uint64_t stream, int64_t position);

// How one row is drawn from.
struct SamplingParams {
  // Divides the logits; 0 is greedy, which no truncation changes.
  double temperature = 1;
  Truncation truncation;
};

struct SampledToken {
  int32_t token_id = 0;
  // Log-probability under the distribution it was drawn from, nats: at the
  // temperature, over the tokens that were kept. Of a greedy token, as
  // `model_logprob`.
  float logprob = 0;
  // At temperature 1 over all tokens: what the model itself says.
  float model_logprob = 0;
};

// Draws one token per row of `logit_BV` from softmax(logits / temperature),
// truncated as the row's `params` say, by inverting the cumulative distribution
// over rising ids at uniforms[b]; so a truncation that rules nothing out draws
// what none would draw, but for rounding. Temperature 0 takes the largest logit
// (the first of equals). Rows do not depend on each other. A row with a NaN
// gives NaN log-probabilities. Logits on a GPU are drawn from on the CPU, so
// that equal logits give equal tokens wherever they were computed.
std::vector<SampledToken> SampleTokens(const at::Tensor& logit_BV,
                                       absl::Span<const SamplingParams> params,
                                       absl::Span<const double> uniforms);

// The same for rows of one temperature without truncation.
std::vector<SampledToken> SampleTokens(const at::Tensor& logit_BV,
                                       double temperature,
                                       absl::Span<const double> uniforms);

}  // namespace rlhf
