#include "core/nn/truncation.h"

#include <algorithm>
#include <cmath>
#include <ranges>

#include "core/base/check.h"

namespace rlhf {
namespace {

using Logits = absl::Span<const float>;

struct ComesFirst {
  Logits logits;
  bool operator()(int32_t a, int32_t b) const {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  }
};

std::vector<int32_t> LargestTokens(Logits logits, int64_t count) {
  const auto ids = std::views::iota(0, static_cast<int32_t>(logits.size()));
  std::vector<int32_t> kept(static_cast<size_t>(count));
  std::partial_sort_copy(ids.begin(), ids.end(), kept.begin(), kept.end(),
                         ComesFirst{logits});
  return kept;
}

// The tokens that a beginning with the share `top_p` can hold, in order. All
// those whose probability is below (1 - top_p) / V have less than 1 - top_p
// together, so the others suffice; the margin is for rounding.
std::vector<int32_t> LikelyTokens(Logits logits, float temperature,
                                  double log_sum, double top_p) {
  constexpr double kMargin = 1e-3;  // nats
  const double least =
      log_sum + std::log((1 - top_p) / static_cast<double>(logits.size())) -
      kMargin;
  std::vector<int32_t> kept;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] / temperature >= least) {
      kept.push_back(static_cast<int32_t>(i));
    }
  }
  std::sort(kept.begin(), kept.end(), ComesFirst{logits});
  return kept;
}

// Cuts `kept`, which is in order, after the share `top_p` of the sum of
// e^(logit / temperature - shift) that is `whole`.
void CutAfter(Logits logits, float temperature, double shift, double whole,
              double top_p, std::vector<int32_t>& kept) {
  double sum = 0;
  for (size_t i = 0; i < kept.size(); ++i) {
    sum += std::exp(logits[kept[i]] / temperature - shift);
    if (sum >= top_p * whole) return kept.resize(i + 1);
  }
}

}  // namespace

std::vector<int32_t> KeptTokens(absl::Span<const float> logits,
                                float temperature, double log_sum,
                                const Truncation& truncation) {
  const auto vocab = static_cast<int64_t>(logits.size());
  RLHF_CHECK(truncation.Binds(vocab));
  const bool by_rank = truncation.top_k > 0 && truncation.top_k < vocab;
  std::vector<int32_t> kept =
      by_rank ? LargestTokens(logits, truncation.top_k)
              : LikelyTokens(logits, temperature, log_sum, truncation.top_p);
  if (truncation.top_p < 1) {
    double whole = 1;
    if (by_rank) {
      whole = 0;
      for (const int32_t id : kept) {
        whole += std::exp(logits[id] / temperature - log_sum);
      }
    }
    CutAfter(logits, temperature, log_sum, whole, truncation.top_p, kept);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace rlhf
