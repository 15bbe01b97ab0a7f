#include "core/nn/sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>

#include <algorithm>
#include <cmath>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

// The first token at which the running sum of probabilities exceeds `uniform`.
// Rounding can leave the whole sum below it: then the last token that has any
// probability.
int32_t InvertCumulative(absl::Span<const float> logprobs, double uniform) {
  double sum = 0;
  int32_t last_possible = 0;
  for (size_t i = 0; i < logprobs.size(); ++i) {
    const double probability = std::exp(static_cast<double>(logprobs[i]));
    if (probability > 0) last_possible = static_cast<int32_t>(i);
    sum += probability;
    if (sum > uniform) return static_cast<int32_t>(i);
  }
  return last_possible;
}

}  // namespace

uint64_t SampleStream(uint64_t seed, absl::string_view prompt_id,
                      int64_t sample) {
  return MixHash(MixHash(seed, Xxh3(prompt_id)), static_cast<uint64_t>(sample));
}

double UniformAt(uint64_t stream, int64_t position) {
  const uint64_t bits = MixHash(stream, static_cast<uint64_t>(position));
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

std::vector<SampledToken> SampleTokens(const at::Tensor& logit_BV,
                                       double temperature,
                                       absl::Span<const double> uniforms) {
  const int64_t rows = logit_BV.size(0);
  const int64_t vocab = logit_BV.size(1);
  RLHF_CHECK(static_cast<int64_t>(uniforms.size()) == rows);
  const bool greedy = temperature == 0;
  const auto scaled = logit_BV.to(at::kFloat) / (greedy ? 1.0 : temperature);
  const auto logprob_BV = at::log_softmax(scaled, -1).to(at::kCPU).contiguous();
  const float* data = logprob_BV.const_data_ptr<float>();
  std::vector<SampledToken> tokens;
  for (int64_t row = 0; row < rows; ++row) {
    const absl::Span<const float> logprobs(data + row * vocab,
                                           static_cast<size_t>(vocab));
    SampledToken token;
    token.token_id =
        greedy ? static_cast<int32_t>(
                     std::max_element(logprobs.begin(), logprobs.end()) -
                     logprobs.begin())
               : InvertCumulative(logprobs, uniforms[row]);
    token.logprob = logprobs[token.token_id];
    tokens.push_back(token);
  }
  return tokens;
}

}  // namespace rlhf
