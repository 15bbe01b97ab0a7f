#include "core/nn/sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

// The first token at which the running sum of probabilities exceeds `uniform`.
// Rounding can leave the whole sum below it: then the last token that has any
// probability.
int32_t InvertCumulative(absl::Span<const float> probabilities,
                         double uniform) {
  // Whole blocks are summed first: their sums do not wait for one another.
  constexpr size_t kBlock = 256;
  double before = 0;
  size_t begin = 0;
  while (begin + kBlock <= probabilities.size()) {
    const float* const block = probabilities.data() + begin;
    double sums[8] = {};
    for (size_t i = 0; i < kBlock; i += 8) {
      for (size_t k = 0; k < 8; ++k) sums[k] += block[i + k];
    }
    double sum = before;
    for (const double part : sums) sum += part;
    if (sum > uniform) break;
    before = sum;
    begin += kBlock;
  }
  for (size_t i = begin; i < probabilities.size(); ++i) {
    before += probabilities[i];
    if (before > uniform) return static_cast<int32_t>(i);
  }
  size_t last = probabilities.size() - 1;
  while (last > 0 && probabilities[last] == 0) --last;
  return static_cast<int32_t>(last);
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
  at::Tensor logits = logit_BV.to(at::kFloat);
  if (!greedy && temperature != 1) logits = logits / temperature;
  const auto logprob_BV = at::log_softmax(logits, -1).to(at::kCPU).contiguous();
  const auto probability_BV = logprob_BV.exp();
  std::vector<SampledToken> tokens;
  for (int64_t row = 0; row < rows; ++row) {
    const auto row_of = [row, vocab](const at::Tensor& x_BV) {
      return absl::Span<const float>(x_BV.const_data_ptr<float>() + row * vocab,
                                     static_cast<size_t>(vocab));
    };
    const absl::Span<const float> logprobs = row_of(logprob_BV);
    SampledToken token;
    token.token_id =
        greedy ? static_cast<int32_t>(
                     std::max_element(logprobs.begin(), logprobs.end()) -
                     logprobs.begin())
               : InvertCumulative(row_of(probability_BV), uniforms[row]);
    token.logprob = logprobs[token.token_id];
    tokens.push_back(token);
  }
  return tokens;
}

}  // namespace rlhf
