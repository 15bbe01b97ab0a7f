// Which tokens top-k and top-p leave to be drawn. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rlhf {

// Tokens are ordered by falling logit, equals by rising id. Of these the first
// `top_k` are kept (0: all); of what is kept then, with its probabilities at
// `temperature` adding up to 1, the shortest beginning that holds at least
// `top_p` (1: all). That is transformers' order: temperature, top-k (Fan et al.
// 2018, arXiv:1805.04833), top-p (Holtzman et al. 2019, arXiv:1904.09751).
struct Truncation {
  int64_t top_k = 0;
  // Above 0, to 1.
  double top_p = 1;

  // Whether it can rule out any of `vocab` tokens.
  bool Binds(int64_t vocab) const {
    return (top_k > 0 && top_k < vocab) || top_p < 1;
  }
};

// The ids of the tokens that are kept, rising; at least one. `log_sum` is the
// logarithm of the sum of e^(logit / temperature) over all of `logits`, finite;
// no logit is NaN. Costs one pass over the logits and a sort of those that may
// be kept.
std::vector<int32_t> KeptTokens(absl::Span<const float> logits,
                                float temperature, double log_sum,
                                const Truncation& truncation);

}  // namespace rlhf
