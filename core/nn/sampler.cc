#include "core/nn/sampler.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/nn/softmax_kernels.h"

namespace rlhf {
namespace {

// The first token at which the running sum of probabilities exceeds `uniform`.
// Rounding can leave the whole sum below it: then the last token that has any
// probability.
int32_t InvertCumulative(absl::Span<const float> logits, float temperature,
                         double log_sum, double uniform) {
  // Whole parts are summed first.
  constexpr size_t kPart = 1024;
  double before = 0;
  size_t begin = 0;
  while (begin + kPart <= logits.size()) {
    const double sum = before + ProbabilityOfPart(logits.data() + begin, kPart,
                                                  temperature, log_sum);
    if (sum > uniform) break;
    before = sum;
    begin += kPart;
  }
  const auto probability = [&](size_t i) {
    return std::exp(logits[i] / temperature - log_sum);
  };
  for (size_t i = begin; i < logits.size(); ++i) {
    before += probability(i);
    if (before > uniform) return static_cast<int32_t>(i);
  }
  size_t last = logits.size() - 1;
  while (last > 0 && probability(last) == 0) --last;
  return static_cast<int32_t>(last);
}

double LogSum(absl::Span<const float> logits, float temperature) {
  return StatsOfRow(logits.data(), static_cast<int64_t>(logits.size()),
                    temperature, /*with_entropy=*/false)
      .log_sum;
}

// A draw from the tokens `kept`, which are in the order of their ids.
SampledToken DrawKept(absl::Span<const float> logits, float temperature,
                      absl::Span<const int32_t> kept, double uniform) {
  const auto scaled = [&](int32_t id) -> double {
    return logits[id] / temperature;
  };
  double largest = scaled(kept[0]);
  for (const int32_t id : kept) largest = std::max(largest, scaled(id));
  double whole = 0;
  for (const int32_t id : kept) whole += std::exp(scaled(id) - largest);
  SampledToken token;
  double sum = 0;
  for (const int32_t id : kept) {
    const double part = std::exp(scaled(id) - largest);
    // Rounding can leave the whole sum below: then the last one with any.
    if (part > 0) token.token_id = id;
    sum += part;
    if (sum > uniform * whole) break;
  }
  token.logprob =
      static_cast<float>(scaled(token.token_id) - largest - std::log(whole));
  return token;
}

SampledToken SampleToken(absl::Span<const float> logits,
                         const SamplingParams& params, double uniform) {
  const bool greedy = params.temperature == 0;
  const auto divisor = static_cast<float>(greedy ? 1 : params.temperature);
  const double log_sum = LogSum(logits, divisor);
  SampledToken token;
  if (!greedy && std::isfinite(log_sum) &&
      params.truncation.Binds(static_cast<int64_t>(logits.size()))) {
    token = DrawKept(logits, divisor,
                     KeptTokens(logits, divisor, log_sum, params.truncation),
                     uniform);
  } else {
    token.token_id = greedy
                         ? static_cast<int32_t>(
                               std::max_element(logits.begin(), logits.end()) -
                               logits.begin())
                         : InvertCumulative(logits, divisor, log_sum, uniform);
    token.logprob =
        static_cast<float>(logits[token.token_id] / divisor - log_sum);
  }
  const double model_log_sum = divisor == 1 ? log_sum : LogSum(logits, 1);
  token.model_logprob =
      static_cast<float>(logits[token.token_id] - model_log_sum);
  return token;
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
                                       absl::Span<const SamplingParams> params,
                                       absl::Span<const double> uniforms) {
  const int64_t rows = logit_BV.size(0);
  const int64_t vocab = logit_BV.size(1);
  RLHF_CHECK(static_cast<int64_t>(uniforms.size()) == rows);
  RLHF_CHECK(static_cast<int64_t>(params.size()) == rows);
  // From a GPU in one transfer, and in their own, perhaps shorter dtype.
  const at::Tensor logits = logit_BV.to(at::kCPU).to(at::kFloat).contiguous();
  std::vector<SampledToken> tokens(static_cast<size_t>(rows));
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      tokens[row] = SampleToken(
          absl::Span<const float>(logits.const_data_ptr<float>() + row * vocab,
                                  static_cast<size_t>(vocab)),
          params[row], uniforms[row]);
    }
  });
  return tokens;
}

std::vector<SampledToken> SampleTokens(const at::Tensor& logit_BV,
                                       double temperature,
                                       absl::Span<const double> uniforms) {
  const std::vector<SamplingParams> params(
      static_cast<size_t>(logit_BV.size(0)),
      SamplingParams{.temperature = temperature, .truncation = {}});
  return SampleTokens(logit_BV, params, uniforms);
}

}  // namespace rlhf
